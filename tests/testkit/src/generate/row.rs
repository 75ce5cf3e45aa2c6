//! The text of one row.

use domain::{Clarity, Color, Cut, row::Column};

use super::{
    defect::RowDefect,
    layout::{Field, Layout},
    stone::Stone,
};

/// What a row has to say.
pub(super) struct Row {
    pub(super) number: u64,
    pub(super) stone: Stone,
    pub(super) defect: Option<RowDefect>,
}

impl Row {
    /// Writes the line, its end included.
    pub(super) fn write(&self, layout: &Layout, out: &mut Vec<u8>) {
        let fields = match self.defect {
            Some(RowDefect::ShortRow) => &layout.fields[..layout.fields.len() - 1],
            _ => &layout.fields,
        };
        out.extend_from_slice(layout.open);
        for (position, field) in fields.iter().enumerate() {
            if position > 0 {
                out.extend_from_slice(&layout.between);
            }
            self.write_field(*field, layout, out);
        }
        if self.defect == Some(RowDefect::LongRow) {
            out.extend_from_slice(&layout.between);
            out.push(b'1');
        }
        out.extend_from_slice(layout.close);
        out.extend_from_slice(layout.line_end);
    }

    fn write_field(&self, field: Field, layout: &Layout, out: &mut Vec<u8>) {
        // A quote opens only at the very beginning of a value.
        let blanks = layout.blanks && field != Field::Note;
        if blanks {
            out.push(b' ');
        }
        match field {
            Field::Column(column) => self.write_value(column, layout, out),
            Field::Index => out.extend_from_slice(self.number.to_string().as_bytes()),
            Field::Shop => out.extend_from_slice(self.shop(layout)),
            Field::Note => self.write_note(layout, out),
        }
        if blanks {
            out.push(b' ');
        }
    }

    fn write_value(&self, column: Column, layout: &Layout, out: &mut Vec<u8>) {
        if let Some((struck, text)) = self.defect.and_then(RowDefect::text)
            && struck == column
        {
            out.extend_from_slice(text);
            return;
        }
        let value = self.stone.value(column);
        let decimals = match column {
            Column::Cut => return out.extend_from_slice(Cut::NAMES[value as usize].as_bytes()),
            Column::Color => return out.extend_from_slice(Color::NAMES[value as usize].as_bytes()),
            Column::Clarity => return out.extend_from_slice(Clarity::NAMES[value as usize].as_bytes()),
            Column::Price => 0,
            Column::Depth | Column::Table => 1,
            Column::Carat | Column::X | Column::Y | Column::Z => 2,
        };
        write_decimal(value, decimals, out);
        if layout.exponents {
            out.extend_from_slice(b"e0");
        }
    }

    fn shop(&self, layout: &Layout) -> &'static [u8] {
        match (self.number % 2, layout.one_byte_letters) {
            (0, true) => b"Caf\xe9 Diamant",
            (0, false) => "Café Diamant".as_bytes(),
            _ => b"Stone & Sons",
        }
    }

    fn write_note(&self, layout: &Layout, out: &mut Vec<u8>) {
        if self.defect != Some(RowDefect::QuotedNewline) {
            out.resize(out.len() + layout.padding, b' ');
            return;
        }
        let quote: &[u8] = if layout.open.is_empty() { b"\"" } else { b"" };
        for part in [
            quote,
            b"bought in Antwerp",
            layout.line_end,
            b"sold in Turin",
            quote,
        ] {
            out.extend_from_slice(part);
        }
    }
}

/// Writes `value` as so many `decimals` say: 134 with two of them is 1.34.
fn write_decimal(mut value: u32, decimals: usize, out: &mut Vec<u8>) {
    let mut text = [b'0'; 12];
    let mut at = text.len();
    for _ in 0..decimals {
        at -= 1;
        text[at] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    if decimals > 0 {
        at -= 1;
        text[at] = b'.';
    }
    loop {
        at -= 1;
        text[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&text[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_in_full() {
        let written = |value, decimals| {
            let mut out = Vec::new();
            write_decimal(value, decimals, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(134, 2), "1.34");
        assert_eq!(written(5, 2), "0.05");
        assert_eq!(written(618, 1), "61.8");
        assert_eq!(written(0, 0), "0");
        assert_eq!(written(u32::MAX, 2), "42949672.95");
    }
}
