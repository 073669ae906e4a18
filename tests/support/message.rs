//! Messages of PostgreSQL's protocol as bytes: written for tests, nothing is left out or put right.

/// A framed message: type, length, body.
pub fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind];
    message.extend(length(body));
    message.extend(body);
    message
}

/// A message without a type byte: startup, SSLRequest, CancelRequest.
pub fn untyped(body: &[u8]) -> Vec<u8> {
    let mut message = length(body).to_vec();
    message.extend(body);
    message
}

fn length(body: &[u8]) -> [u8; 4] {
    u32::try_from(body.len() + 4)
        .expect("a test message under 4 GB")
        .to_be_bytes()
}

fn c_string(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

/// StartupMessage of protocol `major.minor`.
pub fn startup(version: (u16, u16), parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = [version.0.to_be_bytes(), version.1.to_be_bytes()].concat();
    for (name, value) in parameters {
        body.extend(c_string(name));
        body.extend(c_string(value));
    }
    body.push(0);
    untyped(&body)
}

/// SSLRequest.
pub fn ssl_request() -> Vec<u8> {
    untyped(&80_877_103u32.to_be_bytes())
}

/// GSSENCRequest.
pub fn gss_request() -> Vec<u8> {
    untyped(&80_877_104u32.to_be_bytes())
}

/// CancelRequest with the key data of BackendKeyData.
pub fn cancel(key: &[u8]) -> Vec<u8> {
    untyped(&[&80_877_102u32.to_be_bytes(), key].concat())
}

/// Query.
pub fn query(sql: &str) -> Vec<u8> {
    framed(b'Q', &c_string(sql))
}

/// Parse, the types of the parameters left to the server.
pub fn parse(name: &str, sql: &str) -> Vec<u8> {
    parse_typed(name, sql, &[])
}

/// Parse.
pub fn parse_typed(name: &str, sql: &str, types: &[u32]) -> Vec<u8> {
    let mut body = [c_string(name), c_string(sql)].concat();
    body.extend(count(types.len()));
    types.iter().for_each(|oid| body.extend(oid.to_be_bytes()));
    framed(b'P', &body)
}

/// Bind: text parameters, text results.
pub fn bind(portal: &str, statement: &str, values: &[Option<&str>]) -> Vec<u8> {
    let mut body = [c_string(portal), c_string(statement)].concat();
    body.extend(count(0));
    body.extend(count(values.len()));
    for value in values {
        match value {
            Some(text) => {
                body.extend(
                    u32::try_from(text.len())
                        .expect("a value under 4 GB")
                        .to_be_bytes(),
                );
                body.extend(text.as_bytes());
            }
            None => body.extend((-1i32).to_be_bytes()),
        }
    }
    body.extend(count(0));
    framed(b'B', &body)
}

fn count(items: usize) -> [u8; 2] {
    u16::try_from(items)
        .expect("under 65536 items")
        .to_be_bytes()
}

/// Describe: `kind` is `S` (statement) or `P` (portal).
pub fn describe(kind: u8, name: &str) -> Vec<u8> {
    framed(b'D', &[&[kind], c_string(name).as_slice()].concat())
}

/// Execute; 0 rows means all.
pub fn execute(portal: &str, rows: u32) -> Vec<u8> {
    framed(
        b'E',
        &[c_string(portal).as_slice(), &rows.to_be_bytes()].concat(),
    )
}

/// Close: `kind` is `S` (statement) or `P` (portal).
pub fn close(kind: u8, name: &str) -> Vec<u8> {
    framed(b'C', &[&[kind], c_string(name).as_slice()].concat())
}

/// Sync.
pub fn sync() -> Vec<u8> {
    framed(b'S', b"")
}

/// Flush.
pub fn flush() -> Vec<u8> {
    framed(b'H', b"")
}

/// CopyData.
pub fn copy_data(data: &[u8]) -> Vec<u8> {
    framed(b'd', data)
}

/// CopyDone.
pub fn copy_done() -> Vec<u8> {
    framed(b'c', b"")
}

/// CopyFail.
pub fn copy_fail(reason: &str) -> Vec<u8> {
    framed(b'f', &c_string(reason))
}

/// FunctionCall: text arguments, a text result.
pub fn function_call(function: u32, arguments: &[&str]) -> Vec<u8> {
    let mut body = function.to_be_bytes().to_vec();
    body.extend(count(0));
    body.extend(count(arguments.len()));
    for argument in arguments {
        body.extend(u32::try_from(argument.len()).expect("short").to_be_bytes());
        body.extend(argument.as_bytes());
    }
    body.extend(count(0));
    framed(b'F', &body)
}

/// Terminate.
pub fn terminate() -> Vec<u8> {
    framed(b'X', b"")
}

/// Parse, Bind, Execute of the unnamed statement, without Sync.
pub fn extended(sql: &str, values: &[Option<&str>]) -> Vec<u8> {
    [parse("", sql), bind("", "", values), execute("", 0)].concat()
}

/// A message that the server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub kind: u8,
    pub body: Vec<u8>,
}

impl Message {
    /// A field of ErrorResponse or NoticeResponse: `C` is the SQLSTATE, `M` the message.
    pub fn field(&self, code: u8) -> Option<String> {
        assert!(matches!(self.kind, b'E' | b'N'), "{self:?} has no fields");
        self.body
            .split(|byte| *byte == 0)
            .find(|field| field.first() == Some(&code))
            .map(|field| text(&field[1..]))
    }

    /// The SQLSTATE of ErrorResponse or NoticeResponse.
    pub fn sqlstate(&self) -> String {
        self.field(b'C').expect("every error has a SQLSTATE")
    }

    /// The tag of CommandComplete.
    pub fn tag(&self) -> String {
        assert_eq!(self.kind, b'C', "{self:?} is no CommandComplete");
        text(self.body.strip_suffix(b"\0").unwrap_or(&self.body))
    }

    /// The values of DataRow, NULL as `None`.
    pub fn row(&self) -> Vec<Option<String>> {
        assert_eq!(self.kind, b'D', "{self:?} is no DataRow");
        let mut rest = &self.body[2..];
        let mut values = Vec::new();
        while let Some((length, tail)) = rest.split_first_chunk::<4>() {
            let length = usize::try_from(i32::from_be_bytes(*length)).ok();
            values.push(length.map(|length| text(&tail[..length])));
            rest = &tail[length.unwrap_or(0)..];
        }
        values
    }

    /// The transaction status of ReadyForQuery: `I`, `T` or `E`.
    pub fn transaction(&self) -> char {
        assert_eq!(self.kind, b'Z', "{self:?} is no ReadyForQuery");
        self.body[0].into()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The types of `messages` in a row, e.g. `12DCZ`: short to compare, readable in a failure.
pub fn kinds(messages: &[Message]) -> String {
    messages
        .iter()
        .map(|message| char::from(message.kind))
        .collect()
}

/// A message as words, to be compared with that of another connection.
pub fn words(message: &Message) -> String {
    let kind = char::from(message.kind);
    match message.kind {
        b'E' | b'N' => {
            let fields = *b"VCMP";
            let fields = fields.map(|field| message.field(field).unwrap_or_default());
            format!("{kind} {}", fields.join(" "))
        }
        b'D' => format!("{kind} {:?}", message.row()),
        b'C' => format!("{kind} {}", message.tag()),
        b'Z' => format!("{kind} {}", message.transaction()),
        b'V' => format!("{kind} {}", message.body.escape_ascii()),
        _ => kind.to_string(),
    }
}

/// The first ErrorResponse among `messages`.
pub fn error(messages: &[Message]) -> Option<&Message> {
    messages.iter().find(|message| message.kind == b'E')
}

/// The first column of every DataRow among `messages`; NULL as "NULL".
pub fn column(messages: &[Message]) -> Vec<String> {
    let rows = messages
        .iter()
        .filter(|message| message.kind == b'D')
        .map(Message::row);
    rows.map(|row| {
        row.into_iter()
            .next()
            .flatten()
            .unwrap_or_else(|| "NULL".into())
    })
    .collect()
}

/// That nothing failed; the transaction status at the end.
#[track_caller]
pub fn fine(messages: &[Message]) -> char {
    assert_eq!(error(messages), None, "{}", kinds(messages));
    messages.last().expect("an answer").transaction()
}

/// That exactly one error came; its SQLSTATE and the transaction status at the end.
#[track_caller]
pub fn failed(messages: &[Message]) -> (String, char) {
    let mut errors = messages.iter().filter(|message| message.kind == b'E');
    let (error, more) = (errors.next().expect("an error"), errors.next());
    assert_eq!(more, None, "{}", kinds(messages));
    let status = messages.last().expect("an answer").transaction();
    (error.sqlstate(), status)
}

/// That this guard refused it, by what the error says.
#[track_caller]
pub fn refused_by(messages: &[Message], guard: &str) {
    let error = error(messages).unwrap_or_else(|| panic!("passed: {}", kinds(messages)));
    let detail = error.field(b'D').unwrap_or_default();
    assert!(detail.contains(&format!("\"{guard}\"")), "{error:?}");
}
