//! Networks that a login may come from. An address is a value here, not a socket.

use core::net::IpAddr;

/// An IPv4 or IPv6 network: `10.20.0.0/16`, `2001:db8::/32`, `10.0.0.7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `ADDRESS/BITS`, or one address. `None`: it is none, or has bits behind its prefix.
    pub fn new(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok()?
            }
            Some(_) => return None,
            None => bits,
        };
        let network = Self { address, prefix };
        (prefix <= bits && number(address) & !network.mask() == 0).then_some(network)
    }

    /// Is the address in it? An IPv4 address that arrives on an IPv6 socket (`::ffff:10.0.0.7`) is that IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4()
            && number(address) & self.mask() == number(self.address)
    }

    /// The bits that the prefix covers, of 32 or 128.
    fn mask(&self) -> u128 {
        let (bits, all) = match self.address {
            IpAddr::V4(_) => (32, u128::from(u32::MAX)),
            IpAddr::V6(_) => (128, u128::MAX),
        };
        all & all.checked_shl(bits - u32::from(self.prefix)).unwrap_or(0)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_its_network_and_in_no_other() {
        for (network, address, inside) in [
            ("10.20.0.0/16", "10.20.255.1", true),
            ("10.20.0.0/16", "10.21.0.1", false),
            ("10.20.0.0/16", "::ffff:10.20.0.9", true),
            ("10.20.0.0/16", "::10.20.0.9", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "::1", true),
            ("::/0", "10.0.0.1", false),
            ("10.0.0.7", "10.0.0.7", true),
            ("10.0.0.7/32", "10.0.0.8", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::1/128", "::1", true),
        ] {
            let found = Network::new(network)
                .unwrap()
                .contains(address.parse().unwrap());
            assert_eq!(found, inside, "{network} {address}");
        }
    }

    #[test]
    fn what_is_no_network_is_none() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "::/129",
            "10.0.0/8",
            "office",
            "::ffff:10.0.0.1/100",
        ] {
            assert_eq!(Network::new(text), None, "{text}");
        }
    }
}
