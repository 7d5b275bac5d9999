//! SMS-SUBMIT units (3GPP TS 23.040) in UCS2, so that a modem sends Chinese: pure.

/// UTF-16 units in a message of one part.
const UNITS_MAX: usize = 70;

/// UTF-16 units in each part of a longer one: six bytes go to the header that joins them.
const PART_UNITS_MAX: usize = 67;

/// Most parts of a message; what goes beyond is cut off.
const PARTS_MAX: usize = 4;

/// One unit as a modem takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pdu {
    /// Length for `AT+CMGS`, octets without the service centre's address.
    pub octets: usize,
    /// Hexadecimal text.
    pub hex: String,
}

/// The units of a message; `reference` joins the parts of a long one.
pub fn submit(number: &str, text: &str, reference: u8) -> Vec<Pdu> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let parts = if units.len() <= UNITS_MAX { vec![&units[..]] } else { parts(&units) };
    let count = parts.len();
    let mut pdus = Vec::new();
    for (index, part) in (1_u8..).zip(&parts) {
        let joined = count > 1;
        // SMS-SUBMIT without a validity period; the next bit says that a user data header follows.
        let mut octets = vec![if joined { 0x41 } else { 0x01 }, 0];
        octets.extend(address(number));
        // Protocol 0, alphabet UCS2.
        octets.extend([0, 0x08]);
        let header: Vec<u8> =
            if joined { vec![5, 0, 3, reference, u8::try_from(count).unwrap_or(u8::MAX), index] } else { Vec::new() };
        octets.push(u8::try_from(header.len() + part.len() * 2).unwrap_or(u8::MAX));
        octets.extend(header);
        octets.extend(part.iter().flat_map(|unit| unit.to_be_bytes()));
        // The service centre's address is the one on the card.
        let hex = std::iter::once(&0).chain(&octets).map(|octet| format!("{octet:02X}")).collect();
        pdus.push(Pdu { octets: octets.len(), hex });
    }
    pdus
}

/// Parts of a long message; a character of two units is not torn apart.
fn parts(units: &[u16]) -> Vec<&[u16]> {
    let (mut parts, mut rest) = (Vec::new(), units);
    while !rest.is_empty() && parts.len() < PARTS_MAX {
        let mut take = rest.len().min(PART_UNITS_MAX);
        if take < rest.len() && (0xd800..0xdc00).contains(&rest[take - 1]) {
            take -= 1;
        }
        let (part, more) = rest.split_at(take);
        parts.push(part);
        rest = more;
    }
    parts
}

/// A telephone number in semi-octets, with its length and type.
fn address(number: &str) -> Vec<u8> {
    let digits: Vec<u8> = number.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
    let international = number.trim_start().starts_with('+');
    let mut octets = vec![u8::try_from(digits.len()).unwrap_or(0), if international { 0x91 } else { 0x81 }];
    for pair in digits.chunks(2) {
        let high = pair.get(1).copied().unwrap_or(0xf);
        octets.push(high << 4 | pair[0]);
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_chinese_message_is_one_unit() {
        let pdus = submit("+8613800138000", "急救", 7);
        assert_eq!(pdus, [Pdu { octets: 18, hex: "0001000D91683108108300F000080460256551".into() }]);
    }

    #[test]
    fn a_national_number_is_one() {
        assert!(submit("120", "x", 0)[0].hex.starts_with("000100038121F0"));
    }

    #[test]
    fn a_long_message_is_joined_parts_that_tear_no_character() {
        let text = format!("{}😀{}", "家".repeat(66), "家".repeat(40));
        let pdus = submit("+861", &text, 9);
        assert_eq!(pdus.len(), 2);
        let units: Vec<usize> = pdus.iter().map(|pdu| (pdu.hex.len() / 2 - 1 - 2 - 4 - 3 - 6) / 2).collect();
        assert_eq!(units, [66, 42]);
        assert!(pdus[0].hex.contains("050003090201") && pdus[1].hex.contains("050003090202"));
        assert!(pdus[1].hex.contains("050003090202D83DDE00"), "the character stands whole in the second part");
    }

    #[test]
    fn no_message_is_without_end() {
        assert_eq!(submit("1", &"家".repeat(5_000), 0).len(), PARTS_MAX);
    }
}
