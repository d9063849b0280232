//! Programs an emulated chip, and reads its memory, through QEMU's GDB stub.
//!
//! QEMU's own loader writes its file again at every reset, so a bootloader that moves images about would find them
//! moved back. Written through the stub, the flash stays what the chip made of it.

use std::io::{BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Bytes of one write; hex doubles them, and the stub takes 4096 characters.
const WRITE_LEN: usize = 1024;

/// Reads memory of a chip that stops as somebody connects, and lets it run on.
pub(crate) fn read(stub: &UnixStream, address: u32, length: u32) -> Vec<u8> {
    let mut session = Session::new(stub);
    let mut bytes = Vec::new();
    while bytes.len() < length as usize {
        let at = address + bytes.len() as u32;
        let count = (length as usize - bytes.len()).min(WRITE_LEN);
        session.send(&format!("m{at:x},{count:x}"));
        // A chip that was running first says that it stopped (`T…`).
        let mut answer = session.packet();
        while answer.starts_with('T') {
            answer = session.packet();
        }
        bytes.extend(hex::decode(answer).unwrap());
    }
    session.ask("D");
    bytes
}

/// Writes the Intel HEX file to the memory of a stopped chip, resets it, and lets it run.
pub(crate) fn program(stub: &UnixStream, hex_file: &str) {
    let mut session = Session::new(stub);
    let mut base = 0;
    for record in ihex::Reader::new(hex_file) {
        match record.unwrap() {
            ihex::Record::ExtendedLinearAddress(upper) => base = u32::from(upper) << 16,
            ihex::Record::ExtendedSegmentAddress(segment) => base = u32::from(segment) << 4,
            ihex::Record::Data { offset, value } => {
                for (at, part) in value.chunks(WRITE_LEN).enumerate() {
                    let address = base + u32::from(offset) + (at * WRITE_LEN) as u32;
                    let data = hex::encode(part);
                    session.ask(&format!("M{address:x},{:x}:{data}", part.len()));
                }
            }
            _ => {}
        }
    }
    session.ask(&format!("qRcmd,{}", hex::encode("system_reset")));
    session.ask("D");
}

struct Session<'a> {
    input: BufReader<&'a UnixStream>,
    output: &'a UnixStream,
}

impl<'a> Session<'a> {
    fn new(stub: &'a UnixStream) -> Self {
        stub.set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Self {
            input: BufReader::new(stub),
            output: stub,
        }
    }

    fn send(&mut self, command: &str) {
        let sum = command.bytes().fold(0u8, u8::wrapping_add);
        write!(self.output, "${command}#{sum:02x}").unwrap();
    }

    /// Sends one packet and expects `OK`, after any output that comes first.
    fn ask(&mut self, command: &str) {
        self.send(command);
        loop {
            let answer = self.packet();
            if answer == "OK" {
                return;
            }
            assert!(answer.starts_with('O'), "`{command}` answered `{answer}`");
        }
    }

    fn packet(&mut self) -> String {
        while self.byte() != b'$' {}
        let mut text = String::new();
        loop {
            match self.byte() {
                b'#' => break,
                byte => text.push(char::from(byte)),
            }
        }
        let _sum = [self.byte(), self.byte()];
        self.output.write_all(b"+").unwrap();
        text
    }

    fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.input.read_exact(&mut byte).unwrap();
        byte[0]
    }
}
