//! `list-max-listpack-size`: up to where a list is one pack, and how large the nodes of others are.
//!
//! Redis counts the bytes of its own listpacks, whose elements are as long as ours but which have a head and an end. Both
//! limits are about those, so that lists change their representation when Redis' do.

/// What a listpack of Redis has around its elements.
const LISTPACK_FRAME_BYTES: usize = 7;
/// What Redis takes an element to need beyond its own bytes, before it is encoded.
const ELEMENT_HEAD_BYTES: usize = 8;
/// Whatever number of elements a node may have, it has no more bytes than this.
const MAX_COUNTED_BYTES: usize = 8192;
/// The sizes, in bytes, that the settings from -1 down to -5 stand for.
const SIZES: [usize; 5] = [4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10];

/// What one pack may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListLimits {
    /// So many bytes.
    Bytes(usize),
    /// So many elements.
    Elements(usize),
}

impl ListLimits {
    /// What this `list-max-listpack-size` means.
    pub fn from_setting(setting: i64) -> Self {
        match usize::try_from(setting) {
            Ok(elements) => Self::Elements(elements.max(1)),
            Err(_) => Self::Bytes(SIZES[(setting.unsigned_abs() as usize).min(SIZES.len()) - 1]),
        }
    }

    /// Whether a listpack of this size may be.
    pub(super) fn hold(self, listpack_bytes: usize, elements: usize) -> bool {
        match self {
            Self::Bytes(most) => listpack_bytes <= most,
            Self::Elements(most) => listpack_bytes <= MAX_COUNTED_BYTES && elements <= most,
        }
    }

    /// The same where only the limit that was set counts.
    pub(super) fn hold_sparsely(self, listpack_bytes: usize, elements: usize) -> bool {
        match self {
            Self::Bytes(most) => listpack_bytes <= most,
            Self::Elements(most) => elements <= most,
        }
    }

    /// Whether an element of so many bytes may come to a listpack of this size.
    pub(super) fn hold_another(self, listpack_bytes: usize, elements: usize, element_bytes: usize) -> bool {
        self.hold(listpack_bytes + element_bytes + ELEMENT_HEAD_BYTES, elements + 1)
    }

    /// Half of it.
    pub(super) fn halved(self) -> Self {
        match self {
            Self::Bytes(most) => Self::Bytes(most / 2),
            Self::Elements(most) => Self::Elements(most / 2),
        }
    }
}

/// How long Redis' listpack of a pack's elements is.
pub(super) fn listpack_bytes(pack_bytes: usize) -> usize {
    pack_bytes + LISTPACK_FRAME_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_below_zero_are_sizes_and_others_numbers_of_elements() {
        for (setting, limits) in [
            (-1, ListLimits::Bytes(4096)),
            (-2, ListLimits::Bytes(8192)),
            (-5, ListLimits::Bytes(65536)),
            (-6, ListLimits::Bytes(65536)),
            (i64::from(i32::MIN), ListLimits::Bytes(65536)),
            (0, ListLimits::Elements(1)),
            (1, ListLimits::Elements(1)),
            (128, ListLimits::Elements(128)),
        ] {
            assert_eq!(ListLimits::from_setting(setting), limits, "{setting}");
        }
    }
}
