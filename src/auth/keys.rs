//! The server key file.
