//! The API's own description against the service that it describes.
//!
//! - [`document`]: the description itself, read as JSON: version, references, examples.
//! - [`routes`]: every route is described, and every described one answers as described.
//! - [`errors`]: error statuses, types and codes are those of the error table.
//! - [`replies`]: the device's own replies have the fields that are described, no more and no fewer.
//! - [`words`]: the words that a field may have are those of the code.

// Always true here; clippy's rules for tests reach helpers only in what is marked so.
#[cfg(test)]
mod document;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod replies;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod words;
