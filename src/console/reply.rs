//! What the console answers, encoded by pgwire.

use bytes::{BufMut, BytesMut};
use pgwire::messages::Message;
use pgwire::messages::data::{DataRow, FieldDescription, RowDescription};
use pgwire::messages::response::{
    CommandComplete, EmptyQueryResponse, ErrorResponse, ReadyForQuery, TransactionStatus,
};
use pgwire::messages::startup::{
    Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus, SecretKey,
};

use crate::error::SqlState;
use crate::migration::token::SessionId;

/// A column's type: `text` or `int8`, by PostgreSQL's type OIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `text`
    Text = 25,
    /// `int8`
    Number = 20,
}

/// A column's name and type.
pub type Column = (&'static str, Type);

/// What a verb answers.
#[derive(Debug, Default)]
pub struct Answer {
    /// None: no rows, only the tag.
    pub columns: &'static [Column],
    /// As many values as columns in each.
    pub rows: Vec<Vec<Option<String>>>,
    /// The command tag.
    pub tag: &'static str,
    /// Where the rows go on that are not here.
    pub rest: Option<Rest>,
}

/// More rows of the same answer, to be asked for when these are sent: all at once would be as much memory as
/// clients care to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// The session whose statements they are.
    pub id: SessionId,
    /// The number of the last one that is here.
    pub behind: u64,
}

/// Why a verb was not done. The texts follow PostgreSQL's error style.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Field `C`.
    pub sqlstate: SqlState,
    /// Field `M`.
    pub message: String,
    /// Field `D`.
    pub detail: Option<String>,
    /// Field `H`.
    pub hint: Option<String>,
    /// Field `P`: characters, from 1; 0 = none.
    pub position: u32,
}

impl Refused {
    /// A refusal with a message alone.
    pub fn new(sqlstate: SqlState, message: impl Into<String>) -> Self {
        Self {
            sqlstate,
            message: message.into(),
            detail: None,
            hint: None,
            position: 0,
        }
    }

    /// And facts.
    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..self
        }
    }

    /// And one thing to do.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    fn fields(&self, severity: &str) -> Vec<(u8, String)> {
        let mut fields = vec![
            (b'S', severity.to_owned()),
            (b'V', severity.to_owned()),
            (b'C', self.sqlstate.to_string()),
            (b'M', self.message.clone()),
        ];
        fields.extend(self.detail.clone().map(|text| (b'D', text)));
        fields.extend(self.hint.clone().map(|text| (b'H', text)));
        if self.position > 0 {
            fields.push((b'P', self.position.to_string()));
        }
        // A zero byte would end the field early and put the client out of step.
        fields
            .iter_mut()
            .for_each(|(_, text)| text.retain(|c| c != '\0'));
        fields
    }
}

/// Messages that wait to be sent.
#[derive(Default)]
pub(super) struct Reply(BytesMut);

impl Reply {
    /// Everything so far; empties it.
    pub fn take(&mut self) -> BytesMut {
        self.0.split()
    }

    fn put(&mut self, message: &impl Message) {
        let start = self.0.len();
        if let Err(error) = message.encode(&mut self.0) {
            // Only an answer beyond pgwire's length limit comes here: take it back whole.
            self.0.truncate(start);
            tracing::error!(%error, "a console message could not be encoded");
        }
    }

    /// The end of a startup that was accepted.
    pub fn welcome(&mut self, minor: u16, options: Vec<String>) {
        if minor > 0 || !options.is_empty() {
            self.put(&NegotiateProtocolVersion::new(0, options));
        }
        self.put(&Authentication::Ok);
        let version = concat!(env!("CARGO_PKG_VERSION"), "/portcullis");
        for (name, value) in [
            ("server_version", version),
            ("server_encoding", "UTF8"),
            ("client_encoding", "UTF8"),
            ("standard_conforming_strings", "on"),
            ("DateStyle", "ISO"),
        ] {
            self.put(&ParameterStatus::new(name.into(), value.into()));
        }
        self.put(&BackendKeyData::new(0, SecretKey::I32(0)));
        self.ready();
    }

    pub fn ready(&mut self) {
        self.put(&ReadyForQuery::new(TransactionStatus::Idle));
    }

    pub fn empty(&mut self) {
        self.put(&EmptyQueryResponse::new());
    }

    pub fn error(&mut self, refused: &Refused) {
        self.put(&ErrorResponse::new(refused.fields("ERROR")));
    }

    pub fn fatal(&mut self, refused: &Refused) {
        self.put(&ErrorResponse::new(refused.fields("FATAL")));
    }

    /// How an answer begins.
    pub fn columns(&mut self, columns: &[Column]) {
        if !columns.is_empty() {
            let field = |(name, kind): &Column| {
                let size = if *kind == Type::Number { 8 } else { -1 };
                FieldDescription::new((*name).into(), 0, 0, *kind as u32, size, -1, 0)
            };
            self.put(&RowDescription::new(columns.iter().map(field).collect()));
        }
    }

    /// Some of its rows.
    pub fn rows(&mut self, rows: &[Vec<Option<String>>]) {
        for row in rows {
            self.put(&data_row(row));
        }
    }

    /// How it ends.
    pub fn complete(&mut self, tag: &str) {
        self.put(&CommandComplete::new(tag.into()));
    }
}

fn data_row(values: &[Option<String>]) -> DataRow {
    let mut data = BytesMut::new();
    for value in values {
        match value
            .as_ref()
            .and_then(|text| Some((i32::try_from(text.len()).ok()?, text)))
        {
            Some((length, text)) => {
                data.put_i32(length);
                data.put_slice(text.as_bytes());
            }
            None => data.put_i32(-1),
        }
    }
    DataRow::new(data, i16::try_from(values.len()).unwrap_or(i16::MAX))
}
