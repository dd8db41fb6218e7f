//! Enough of DUMP's format to carry a value from one server to the other.
//!
//! A payload is `<value><version: u16 LE><checksum: u64 LE>`. RESTORE refuses versions newer than its own, so a payload of
//! the newer server is stamped with the older one's version, which strings allow: their encoding never changed.

/// The version of Redis 7.0's payloads.
const VERSION_OF_7_0: u16 = 10;
/// Version and checksum.
const FOOTER_BYTES: usize = 10;

/// The same payload as Redis 7.0 would stamp it; `None` if it is too short or its checksum is wrong.
pub fn stamped_for_7_0(payload: &[u8]) -> Option<Vec<u8>> {
    let value_bytes = payload.len().checked_sub(FOOTER_BYTES)?;
    let (covered, checksum) = payload.split_at(value_bytes + 2);
    if crc64(covered).to_le_bytes() != checksum {
        return None;
    }
    let mut stamped = payload[..value_bytes].to_vec();
    stamped.extend_from_slice(&VERSION_OF_7_0.to_le_bytes());
    let checksum = crc64(&stamped);
    stamped.extend_from_slice(&checksum.to_le_bytes());
    Some(stamped)
}

/// CRC-64/Redis: Jones' polynomial, reflected, no inversion.
fn crc64(bytes: &[u8]) -> u64 {
    const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(
            crc ^ u64::from(byte),
            |crc, _| if crc & 1 == 1 { (crc >> 1) ^ POLYNOMIAL } else { crc >> 1 },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_redis_own() {
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn a_newer_payload_gets_the_older_stamp() {
        let stamped_as = |version: u16| {
            let mut payload = b"\x00\x05hello".to_vec();
            payload.extend_from_slice(&version.to_le_bytes());
            let checksum = crc64(&payload);
            payload.extend_from_slice(&checksum.to_le_bytes());
            payload
        };
        assert_eq!(stamped_for_7_0(&stamped_as(11)), Some(stamped_as(10)));
        let mut damaged = stamped_as(11);
        damaged[3] ^= 1;
        assert_eq!(stamped_for_7_0(&damaged), None);
    }
}
