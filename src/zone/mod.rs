//! PURE. Whose zone, and the bytes that inject it.
