//! SQLSTATEs and the closed list of error kinds.

/// A SQLSTATE: five characters of `[0-9A-Z]`
/// (PostgreSQL documentation, appendix "PostgreSQL Error Codes").
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState(pub [u8; 5]);

impl SqlState {
    /// `successful_completion`.
    pub const SUCCESS: Self = Self(*b"00000");
    /// `insufficient_privilege`: refused by policy.
    pub const POLICY: Self = Self(*b"42501");
    /// `feature_not_supported`: transaction mode cannot do it.
    pub const UNSUPPORTED: Self = Self(*b"0A000");
    /// `object_not_in_prerequisite_state`: PostgreSQL's word for a number that no sequence gave this session.
    pub const NOT_YET_DEFINED: Self = Self(*b"55000");
    /// `syntax_error`.
    pub const SYNTAX: Self = Self(*b"42601");
    /// `undefined_pstatement`: no such prepared statement.
    pub const UNDEFINED_STATEMENT: Self = Self(*b"26000");
    /// `name_too_long`.
    pub const NAME_TOO_LONG: Self = Self(*b"42622");
    /// `program_limit_exceeded`: a message or statement is too large or too complex.
    pub const PROGRAM_LIMIT: Self = Self(*b"54000");
    /// `protocol_violation`.
    pub const PROTOCOL: Self = Self(*b"08P01");
    /// `sqlserver_rejected_establishment_of_sqlconnection`: the server behind cannot be reached.
    pub const NO_SERVER: Self = Self(*b"08004");
    /// `connection_failure`: the connection to the server was lost.
    pub const CONNECTION_FAILURE: Self = Self(*b"08006");
    /// `cannot_connect_now`: starting, draining.
    pub const NOT_READY: Self = Self(*b"57P03");
    /// `admin_shutdown`.
    pub const ADMIN_SHUTDOWN: Self = Self(*b"57P01");
    /// `insufficient_resources`.
    pub const INSUFFICIENT_RESOURCES: Self = Self(*b"53000");
    /// `out_of_memory`.
    pub const OUT_OF_MEMORY: Self = Self(*b"53200");
    /// `too_many_connections`.
    pub const TOO_MANY: Self = Self(*b"53300");
    /// `invalid_authorization_specification`.
    pub const IDENTITY: Self = Self(*b"28000");
    /// `invalid_password`.
    pub const PASSWORD: Self = Self(*b"28P01");
    /// `internal_error`.
    pub const INTERNAL: Self = Self(*b"XX000");
    /// `object_not_in_prerequisite_state`/`lock_not_available`: the lease is held.
    pub const LOCK_NOT_AVAILABLE: Self = Self(*b"55P03");

    /// What a server sent: `XX000` where it is not five characters long.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        bytes.try_into().map_or(Self::INTERNAL, Self)
    }

    /// The five characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XX000")
    }
}

impl std::fmt::Display for SqlState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Debug for SqlState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
