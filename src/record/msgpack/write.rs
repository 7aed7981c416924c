//! Appends msgpack values to a buffer, each in its shortest form. Must not know what they mean.

/// Bytes before a text of any length.
const STR_HEADER_BYTES_MAX: usize = 5;

/// Writes values to the end of a `Vec<u8>`.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Will append to the buffer.
    pub const fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// nil
    pub fn nil(&mut self) {
        self.out.push(0xc0);
    }

    /// false or true
    pub fn bool(&mut self, value: bool) {
        self.out.push(if value { 0xc3 } else { 0xc2 });
    }

    /// An integer of zero or more.
    pub fn uint(&mut self, value: u64) {
        if let Ok(value) = u8::try_from(value) {
            match value {
                0..=0x7f => self.out.push(value),
                0x80..=0xff => self.head(0xcc, [value]),
            }
        } else if let Ok(value) = u16::try_from(value) {
            self.head(0xcd, value.to_be_bytes());
        } else if let Ok(value) = u32::try_from(value) {
            self.head(0xce, value.to_be_bytes());
        } else {
            self.head(0xcf, value.to_be_bytes());
        }
    }

    /// An integer.
    pub fn int(&mut self, value: i64) {
        if let Ok(value) = u64::try_from(value) {
            self.uint(value);
        } else if let Ok(value) = i8::try_from(value) {
            match value {
                -32.. => self.out.extend(value.to_be_bytes()),
                ..-32 => self.head(0xd0, value.to_be_bytes()),
            }
        } else if let Ok(value) = i16::try_from(value) {
            self.head(0xd1, value.to_be_bytes());
        } else if let Ok(value) = i32::try_from(value) {
            self.head(0xd2, value.to_be_bytes());
        } else {
            self.head(0xd3, value.to_be_bytes());
        }
    }

    /// A float of 4 bytes.
    pub fn f32(&mut self, value: f32) {
        self.head(0xca, value.to_be_bytes());
    }

    /// A float of 8 bytes.
    pub fn f64(&mut self, value: f64) {
        self.head(0xcb, value.to_be_bytes());
    }

    /// Text, whether it is UTF-8 or not. Cut at 4 GiB - 1, the most msgpack can say.
    pub fn str(&mut self, text: &[u8]) {
        let (length, text) = sized(text);
        if let Ok(length) = u8::try_from(length) {
            match length {
                0..=31 => self.out.push(0xa0 | length),
                32.. => self.head(0xd9, [length]),
            }
        } else if let Ok(length) = u16::try_from(length) {
            self.head(0xda, length.to_be_bytes());
        } else {
            self.head(0xdb, length.to_be_bytes());
        }
        self.raw(text);
    }

    /// Text that `write` appends to the buffer, at most 4 GiB - 1.
    pub fn str_with<R>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let start = self.out.len();
        // Room for the longest header; the text moves up to the one it needs.
        self.out.extend_from_slice(&[0; STR_HEADER_BYTES_MAX]);
        let text = self.out.len();
        let result = write(self.out);
        let length = self.out.len().saturating_sub(text);
        let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        let header: &[u8] = match length {
            0..=31 => &[0xa0 | d],
            32..=0xff => &[0xd9, d],
            0x100..=0xffff => &[0xda, c, d],
            _ => &[0xdb, a, b, c, d],
        };
        self.out.splice(start..text, header.iter().copied());
        result
    }

    /// Bytes. Cut at 4 GiB - 1, the most msgpack can say.
    pub fn bin(&mut self, bytes: &[u8]) {
        let (length, bytes) = sized(bytes);
        if let Ok(length) = u8::try_from(length) {
            self.head(0xc4, [length]);
        } else if let Ok(length) = u16::try_from(length) {
            self.head(0xc5, length.to_be_bytes());
        } else {
            self.head(0xc6, length.to_be_bytes());
        }
        self.raw(bytes);
    }

    /// An extension type and its bytes. Cut at 4 GiB - 1, the most msgpack can say.
    pub fn ext(&mut self, kind: i8, bytes: &[u8]) {
        let (length, bytes) = sized(bytes);
        match length {
            1 => self.out.push(0xd4),
            2 => self.out.push(0xd5),
            4 => self.out.push(0xd6),
            8 => self.out.push(0xd7),
            16 => self.out.push(0xd8),
            _ => {
                if let Ok(length) = u8::try_from(length) {
                    self.head(0xc7, [length]);
                } else if let Ok(length) = u16::try_from(length) {
                    self.head(0xc8, length.to_be_bytes());
                } else {
                    self.head(0xc9, length.to_be_bytes());
                }
            }
        }
        self.raw(&kind.to_be_bytes());
        self.raw(bytes);
    }

    /// The header of an array: that many values must follow.
    pub fn array_header(&mut self, values: u32) {
        self.container(values, 0x90, [0xdc, 0xdd]);
    }

    /// The header of a map: that many pairs of key and value must follow.
    pub fn map_header(&mut self, pairs: u32) {
        self.container(pairs, 0x80, [0xde, 0xdf]);
    }

    /// Bytes that are msgpack already.
    pub fn raw(&mut self, msgpack: &[u8]) {
        self.out.extend_from_slice(msgpack);
    }

    fn container(&mut self, count: u32, fixed: u8, [wide16, wide32]: [u8; 2]) {
        match (u8::try_from(count), u16::try_from(count)) {
            (Ok(count @ 0..=15), _) => self.out.push(fixed | count),
            (_, Ok(count)) => self.head(wide16, count.to_be_bytes()),
            (_, Err(_)) => self.head(wide32, count.to_be_bytes()),
        }
    }

    fn head<const N: usize>(&mut self, first: u8, number: [u8; N]) {
        self.out.push(first);
        self.out.extend_from_slice(&number);
    }
}

fn sized(bytes: &[u8]) -> (u32, &[u8]) {
    match u32::try_from(bytes.len()) {
        Ok(length) => (length, bytes),
        Err(_) => {
            let most = usize::try_from(u32::MAX).unwrap_or(usize::MAX);
            (u32::MAX, bytes.get(..most).unwrap_or(bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut Writer::new(&mut out));
        out
    }

    #[test]
    fn numbers_take_the_shortest_width_that_holds_them() {
        let lengths = |numbers: &[i64]| {
            numbers.iter().map(|n| written(|w| w.int(*n)).len()).collect::<Vec<_>>()
        };
        assert_eq!(lengths(&[0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000]), [1, 2, 2, 3, 3, 5]);
        assert_eq!(lengths(&[-32, -33, -128, -129, -32_768, -32_769]), [1, 2, 2, 3, 3, 5]);
        assert_eq!(lengths(&[0xffff_ffff, 0x1_0000_0000, i64::MIN]), [5, 9, 9]);
    }

    #[test]
    fn text_that_is_written_in_place_is_as_any_other() {
        for length in [0, 31, 32, 255, 256, 65_535, 65_536] {
            let text = vec![b'x'; length];
            let in_place = written(|w| {
                w.nil();
                w.str_with(|out| out.extend_from_slice(&text));
            });
            assert_eq!(in_place[1..], written(|w| w.str(&text)), "{length}");
        }
    }

    #[test]
    fn text_bytes_and_containers_take_the_shortest_header() {
        let text = |length| written(|w| w.str(&vec![b'x'; length])).len() - length;
        assert_eq!([31, 32, 255, 256, 65_535, 65_536].map(text), [1, 2, 2, 3, 3, 5]);
        let bytes = |length| written(|w| w.bin(&vec![b'x'; length])).len() - length;
        assert_eq!([0, 255, 256, 65_535, 65_536].map(bytes), [2, 2, 3, 3, 5]);
        let map = |pairs| written(|w| w.map_header(pairs)).len();
        assert_eq!([0, 15, 16, 65_535, 65_536].map(map), [1, 1, 3, 3, 5]);
        let ext = |length| written(|w| w.ext(5, &vec![b'x'; length])).len() - length;
        assert_eq!([0, 1, 3, 8, 16, 17, 256, 65_536].map(ext), [3, 2, 3, 2, 2, 3, 4, 6]);
    }
}
