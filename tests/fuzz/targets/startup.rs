//! The packets before the first typed message: whatever is read can be written again, and nothing
//! else is taken for it.
#![no_main]

#[path = "../../conversing/mod.rs"]
mod conversing;
#[path = "../common/input.rs"]
mod input;
#[path = "../common/seeds.rs"]
mod seeds;

use portcullis::protocol::startup::{
    self, MAX_PACKET, MIN_PACKET, Packet, Startup, packet_length, put_cancel, put_ssl_request,
    put_startup,
};

libfuzzer_sys::fuzz_target!(init: seeds::write(|_| packets()), |bytes: &[u8]| {
    if let Some(field) = bytes.first_chunk::<4>()
        && let Ok(length) = packet_length(*field)
    {
        assert!((MIN_PACKET..=MAX_PACKET).contains(&length));
        assert_eq!(length, u32::from_be_bytes(*field) as usize);
    }
    let mut again = Vec::new();
    match startup::parse(bytes) {
        Err(_) => return,
        Ok(Packet::Gss) => return,
        Ok(Packet::Ssl) => put_ssl_request(&mut again),
        Ok(Packet::Cancel { process, secret }) => put_cancel(&mut again, process, secret),
        Ok(Packet::Startup(message)) => {
            check(&message);
            let version = [0, 3, (message.minor >> 8) as u8, message.minor as u8];
            put_startup(&mut again, message.parameters.iter().copied());
            again[4..8].copy_from_slice(&version);
        }
    }
    assert_eq!(&again[4..], bytes, "what is read can be written again");
});

fn check(message: &Startup<'_>) {
    for (name, value) in &message.parameters {
        assert!(!name.is_empty() && !name.contains('\0') && !value.contains('\0'));
        assert!(message.get(name).is_some());
    }
    let asked = message
        .parameters
        .iter()
        .filter(|(name, _)| name.starts_with("_pq_."));
    let unknown = message.negotiate().unwrap_or_default();
    for (name, _) in asked {
        assert_eq!(unknown.iter().filter(|known| *known == name).count(), 1);
    }
}

fn packets() -> Vec<Vec<u8>> {
    let parameters = [
        ("user", "shop_acme"),
        ("database", "shop"),
        ("application_name", "Überweisung von Müller"),
        ("options", "-c search_path=a"),
    ];
    let mut packets = vec![Vec::new(); 4];
    put_startup(&mut packets[0], parameters);
    put_ssl_request(&mut packets[1]);
    put_cancel(&mut packets[2], 7, &[9; 32]);
    put_startup(
        &mut packets[3],
        [("_pq_.test_protocol_negotiation", ""), ("user", "a")],
    );
    // Without their lengths, which are read apart; and one with it.
    let mut packets: Vec<Vec<u8>> = packets.iter().map(|packet| packet[4..].to_vec()).collect();
    packets.push(vec![0, 0, 0x27, 0x10]);
    packets
}
