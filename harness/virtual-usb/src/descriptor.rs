//! Descriptors of a composite device: what the host reads to know which drivers it needs.
//!
//! Layouts: Universal Serial Bus Specification 2.0, 9.6; interface association: its engineering change notice; CDC functional
//! descriptors: USB CDC PSTN 1.2, 5.3; the BOS with the Microsoft OS 2.0 set, which makes Windows bind WinUSB to the probe:
//! Microsoft OS 2.0 Descriptors Specification.

/// Bytes of a bulk packet at high speed.
pub const BULK_PACKET: u16 = 512;
/// The request by which Windows asks for the Microsoft OS 2.0 set: our choice.
pub const MS_REQUEST: u8 = 0x20;

/// Descriptor types.
pub mod kind {
    /// The device.
    pub const DEVICE: u8 = 1;
    /// A configuration, with all below it.
    pub const CONFIGURATION: u8 = 2;
    /// A string.
    pub const STRING: u8 = 3;
    pub(super) const INTERFACE: u8 = 4;
    pub(super) const ENDPOINT: u8 = 5;
    /// What is different at the other speed.
    pub const QUALIFIER: u8 = 6;
    pub(super) const ASSOCIATION: u8 = 11;
    /// The binary object store.
    pub const BOS: u8 = 15;
    pub(super) const CAPABILITY: u8 = 16;
    pub(super) const CS_INTERFACE: u8 = 0x24;
}

/// Who the device says that it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// Vendor.
    pub vendor: u16,
    /// Product.
    pub product: u16,
    /// Version of the device, binary coded decimal.
    pub version: u16,
    /// Name of the vendor.
    pub manufacturer: String,
    /// Name of the product.
    pub name: String,
    /// Serial number.
    pub serial: String,
}

/// Collects strings and gives them numbers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Strings(Vec<String>);

impl Strings {
    /// The index by which a descriptor names this string.
    pub fn index(&mut self, text: &str) -> u8 {
        self.0.push(text.to_owned());
        self.0.len() as u8
    }

    /// The descriptor of a string; 0 is the list of languages.
    #[must_use]
    pub fn descriptor(&self, index: u8) -> Option<Vec<u8>> {
        const ENGLISH: u16 = 0x0409;
        let units: Vec<u16> = match index.checked_sub(1) {
            None => vec![ENGLISH],
            Some(at) => self
                .0
                .get(usize::from(at))?
                .encode_utf16()
                .take(126)
                .collect(),
        };
        let mut bytes = vec![(2 + 2 * units.len()) as u8, kind::STRING];
        bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        Some(bytes)
    }
}

/// An endpoint of an interface.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// Bulk, from the host.
    BulkOut(u8),
    /// Bulk, to the host.
    BulkIn(u8),
    /// Interrupt, to the host.
    InterruptIn(u8),
}

impl Endpoint {
    fn descriptor(self) -> [u8; 7] {
        // An interrupt endpoint of 16 bytes that is asked every 2^(9-1) microframes: 32 ms.
        let (address, attributes, packet, interval) = match self {
            Self::BulkOut(number) => (number, 2, BULK_PACKET, 0),
            Self::BulkIn(number) => (number | 0x80, 2, BULK_PACKET, 0),
            Self::InterruptIn(number) => (number | 0x80, 3, 16, 9),
        };
        let [low, high] = packet.to_le_bytes();
        [7, kind::ENDPOINT, address, attributes, low, high, interval]
    }
}

/// The configuration descriptor, grown from its parts.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    body: Vec<u8>,
    interfaces: u8,
}

impl Configuration {
    /// Number of the next interface.
    #[must_use]
    pub const fn next_interface(&self) -> u8 {
        self.interfaces
    }

    /// An interface by itself; `class` is its class, subclass and protocol.
    pub fn interface(&mut self, class: [u8; 3], string: u8, endpoints: &[Endpoint]) {
        self.with_functional(class, string, &[], endpoints);
    }

    fn with_functional(
        &mut self,
        class: [u8; 3],
        string: u8,
        functional: &[u8],
        endpoints: &[Endpoint],
    ) {
        self.body.extend([
            9,
            kind::INTERFACE,
            self.interfaces,
            0,
            endpoints.len() as u8,
        ]);
        self.body.extend(class);
        self.body.push(string);
        self.body.extend(functional);
        for endpoint in endpoints {
            self.body.extend(endpoint.descriptor());
        }
        self.interfaces += 1;
    }

    /// Two interfaces that are one serial port (CDC ACM).
    pub fn serial_port(&mut self, string: u8, notify: Endpoint, data: [Endpoint; 2]) {
        const COMMUNICATIONS: u8 = 2;
        const ACM: u8 = 2;
        const AT_COMMANDS: u8 = 1;
        const DATA: u8 = 10;
        let control = self.interfaces;
        self.body.extend([
            8,
            kind::ASSOCIATION,
            control,
            2,
            COMMUNICATIONS,
            ACM,
            AT_COMMANDS,
            string,
        ]);
        // Header 1.10; call management by the device; line coding and control lines; union of both interfaces.
        let functional = [
            [5, kind::CS_INTERFACE, 0x00, 0x10, 0x01].as_slice(),
            &[5, kind::CS_INTERFACE, 0x01, 0x00, control + 1],
            &[4, kind::CS_INTERFACE, 0x02, 0x02],
            &[5, kind::CS_INTERFACE, 0x06, control, control + 1],
        ]
        .concat();
        self.with_functional(
            [COMMUNICATIONS, ACM, AT_COMMANDS],
            string,
            &functional,
            &[notify],
        );
        self.with_functional([DATA, 0, 0], 0, &[], &data);
    }

    /// The whole descriptor: bus-powered, 500 mA.
    #[must_use]
    pub fn descriptor(&self) -> Vec<u8> {
        let [low, high] = ((9 + self.body.len()) as u16).to_le_bytes();
        let mut bytes = vec![
            9,
            kind::CONFIGURATION,
            low,
            high,
            self.interfaces,
            1,
            0,
            0x80,
            250,
        ];
        bytes.extend(&self.body);
        bytes
    }
}

/// The device descriptor of a high-speed device that says its class by interface association. Only one of USB 2.1 is asked for a
/// binary object store.
#[must_use]
pub fn device(identity: &Identity, strings: [u8; 3], has_bos: bool) -> Vec<u8> {
    let minor = if has_bos { 0x10 } else { 0x00 };
    let mut bytes = vec![18, kind::DEVICE, minor, 0x02, 0xef, 0x02, 0x01, 64];
    for number in [identity.vendor, identity.product, identity.version] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(strings);
    bytes.push(1);
    bytes
}

/// The device qualifier: the same at full speed.
#[must_use]
pub const fn qualifier() -> [u8; 10] {
    [10, kind::QUALIFIER, 0x10, 0x02, 0xef, 0x02, 0x01, 64, 1, 0]
}

/// The Microsoft OS 2.0 set that makes `interface` a WinUSB one.
#[must_use]
pub fn winusb(interface: u8) -> Vec<u8> {
    const WINDOWS_8_1: [u8; 4] = [0, 0, 3, 6];
    let utf16 =
        |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let name = utf16("DeviceInterfaceGUIDs\0");
    // The GUID that CMSIS-DAP gives to its second version.
    let value = utf16("{CDB3B5AD-293B-4663-AA36-1AAE46463776}\0\0");
    let mut property = Vec::new();
    property.extend(((10 + name.len() + value.len()) as u16).to_le_bytes());
    property.extend([4, 0, 7, 0]);
    property.extend((name.len() as u16).to_le_bytes());
    property.extend(name);
    property.extend((value.len() as u16).to_le_bytes());
    property.extend(value);
    let mut compatible = vec![20, 0, 3, 0];
    compatible.extend(b"WINUSB\0\0");
    compatible.extend([0; 8]);
    let function = [
        vec![8, 0, 2, 0, interface, 0],
        sized(8, compatible.len() + property.len()),
    ]
    .concat();
    let configuration = [
        vec![8, 0, 1, 0, 0, 0],
        sized(8, function.len() + compatible.len() + property.len()),
    ]
    .concat();
    let body = [configuration, function, compatible, property].concat();
    let header = [
        vec![10, 0, 0, 0],
        WINDOWS_8_1.to_vec(),
        sized(10, body.len()),
    ]
    .concat();
    [header, body].concat()
}

fn sized(header: usize, body: usize) -> Vec<u8> {
    ((header + body) as u16).to_le_bytes().to_vec()
}

/// The binary object store that names a Microsoft OS 2.0 set of `length` bytes.
#[must_use]
pub fn bos(length: usize) -> Vec<u8> {
    // {D8DD60DF-4589-4CC7-9CD2-659D9E648A9F}, the platform capability of Microsoft OS 2.0.
    const PLATFORM: [u8; 16] = [
        0xdf, 0x60, 0xdd, 0xd8, 0x89, 0x45, 0xc7, 0x4c, 0x9c, 0xd2, 0x65, 0x9d, 0x9e, 0x64, 0x8a,
        0x9f,
    ];
    let mut bytes = vec![5, kind::BOS, 33, 0, 1, 28, kind::CAPABILITY, 5, 0];
    bytes.extend(PLATFORM);
    bytes.extend([0, 0, 3, 6]);
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend([MS_REQUEST, 0]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each descriptor begins with its own length, and they fill the whole.
    fn walk(mut bytes: &[u8]) -> Vec<u8> {
        let mut kinds = Vec::new();
        while let [length, kind, ..] = *bytes {
            kinds.push(kind);
            bytes = &bytes[usize::from(length)..];
        }
        kinds
    }

    #[test]
    fn a_configuration_is_its_descriptors_one_after_the_other() {
        let mut configuration = Configuration::default();
        configuration.serial_port(
            4,
            Endpoint::InterruptIn(1),
            [Endpoint::BulkOut(2), Endpoint::BulkIn(2)],
        );
        configuration.interface([0xff; 3], 5, &[Endpoint::BulkIn(3), Endpoint::BulkOut(3)]);
        let bytes = configuration.descriptor();
        assert_eq!(
            u16::from_le_bytes([bytes[2], bytes[3]]) as usize,
            bytes.len()
        );
        assert_eq!(bytes[4], 3, "interfaces");
        assert_eq!(
            walk(&bytes),
            [2, 11, 4, 0x24, 0x24, 0x24, 0x24, 5, 4, 5, 5, 4, 5, 5]
        );
    }

    #[test]
    fn a_string_is_utf16_and_0_is_the_language() {
        let mut strings = Strings::default();
        assert_eq!(strings.index("ß"), 1);
        assert_eq!(strings.descriptor(0), Some(vec![4, 3, 9, 4]));
        assert_eq!(strings.descriptor(1), Some(vec![4, 3, 0xdf, 0]));
        assert_eq!(strings.descriptor(2), None);
    }

    #[test]
    fn the_sets_say_their_own_length() {
        let set = winusb(4);
        assert_eq!(u16::from_le_bytes([set[8], set[9]]) as usize, set.len());
        let bos = bos(set.len());
        assert_eq!(usize::from(bos[2]), bos.len());
        assert_eq!(bos[29..31], (set.len() as u16).to_le_bytes());
    }
}
