//! RFC 2217: a serial port behind Telnet, as ser2net's `telnet(rfc2217)` and labgrid's exporters offer it.
//!
//! No I/O and no time: [`Client`] is given the bytes that came and says which ones to send. Everything that comes is the other
//! side's choice, so nothing of it is believed: an answer that says something else than was asked for is a [`Refusal`].
//!
//! ```
//! use hil_rfc2217::Client;
//!
//! let mut client = Client::new(115_200);
//! let mut connection: Vec<u8> = client.take_outgoing(); // the negotiation, to be sent at once
//! client.send(b"\xff"); // one byte for the serial line, two on the connection
//! connection.extend(client.take_outgoing());
//! assert!(connection.ends_with(b"\xff\xff"));
//! ```

mod client;
mod telnet;

pub use client::{Client, Refusal, State};
pub use telnet::{Event, Parser, Verb};
