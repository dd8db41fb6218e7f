//! The contents of one simulated file: sparse, so that a test may have gigabytes of capacity and use little
//! of it.

use std::collections::BTreeMap;

use super::MAX_BLOCK_BYTES;

const CHUNK_BYTES: usize = MAX_BLOCK_BYTES;

/// Bytes `0..capacity`, zero where nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskImage {
    capacity_bytes: u64,
    /// Chunks by number. Two images with the same bytes may differ here if one was written with zeros.
    chunks: BTreeMap<u64, Box<[u8; CHUNK_BYTES]>>,
}

impl DiskImage {
    /// An image of zeros.
    ///
    /// # Panics
    ///
    /// When the capacity is zero or no multiple of [`MAX_BLOCK_BYTES`].
    pub fn new(capacity_bytes: u64) -> Self {
        assert!(capacity_bytes > 0 && capacity_bytes.is_multiple_of(CHUNK_BYTES as u64));
        Self { capacity_bytes, chunks: BTreeMap::new() }
    }

    /// How many bytes the image has.
    pub fn capacity_bytes(&self) -> u64 {
        self.capacity_bytes
    }

    /// Copies the bytes at `offset_bytes` into all of `bytes`.
    ///
    /// # Panics
    ///
    /// When the range ends beyond the capacity.
    pub fn read(&self, offset_bytes: u64, bytes: &mut [u8]) {
        self.assert_range(offset_bytes, bytes.len());
        let mut position = offset_bytes;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (chunk, start) = locate(position);
            let len = rest.len().min(CHUNK_BYTES - start);
            let (part, after) = rest.split_at_mut(len);
            match self.chunks.get(&chunk) {
                Some(chunk) => part.copy_from_slice(&chunk[start..start + len]),
                None => part.fill(0),
            }
            position += len as u64;
            rest = after;
        }
    }

    /// Copies `bytes` to `offset_bytes`.
    ///
    /// # Panics
    ///
    /// When the range ends beyond the capacity.
    pub fn write(&mut self, offset_bytes: u64, bytes: &[u8]) {
        self.assert_range(offset_bytes, bytes.len());
        let mut position = offset_bytes;
        let mut rest = bytes;
        while !rest.is_empty() {
            let (chunk, start) = locate(position);
            let len = rest.len().min(CHUNK_BYTES - start);
            let (part, after) = rest.split_at(len);
            let chunk = self.chunks.entry(chunk).or_insert_with(|| Box::new([0; CHUNK_BYTES]));
            chunk[start..start + len].copy_from_slice(part);
            position += len as u64;
            rest = after;
        }
    }

    fn assert_range(&self, offset_bytes: u64, len_bytes: usize) {
        let end_bytes = offset_bytes.checked_add(len_bytes as u64);
        assert!(end_bytes.is_some_and(|end| end <= self.capacity_bytes), "beyond the image's capacity");
    }
}

/// The chunk a position is in, and where in the chunk.
fn locate(position: u64) -> (u64, usize) {
    let chunk_bytes = CHUNK_BYTES as u64;
    let start = usize::try_from(position % chunk_bytes).expect("less than a chunk");
    (position / chunk_bytes, start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_written_across_chunks() {
        let mut image = DiskImage::new(1 << 40);
        let written: Vec<u8> = (0..10_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        image.write((1 << 39) + 4000, &written);
        let mut bytes = vec![9; 10_200];
        image.read((1 << 39) + 3900, &mut bytes);
        assert_eq!(bytes[..100], [0; 100]);
        assert_eq!(bytes[100..10_100], written[..]);
        assert_eq!(bytes[10_100..], [0; 100]);
    }

    #[test]
    #[should_panic(expected = "beyond the image's capacity")]
    fn a_write_beyond_the_end_panics() {
        DiskImage::new(4096).write(4000, &[0; 97]);
    }
}
