//! The bytes of a form as cells: CSV in UTF-8 or GB18030, or XLSX; nothing is ever calculated.

use std::io::{Cursor, Read as _};

use calamine::{DataRef, Reader as _, Xlsx};
use thiserror::Error;

use super::cells::Cell;

/// The most bytes of one file.
pub const MAX_FILE_BYTES: usize = 20 * 1024 * 1024;
/// The most rows of one sheet.
pub const MAX_ROWS: usize = 50_000;
/// The most columns of one sheet.
pub const MAX_COLUMNS: usize = 200;
/// The most cells with something in them, over all sheets.
pub const MAX_CELLS: usize = 2_000_000;
/// The most bytes that a packed file may unpack to.
const MAX_UNPACKED: u64 = 256 * 1024 * 1024;
const MAX_SHEETS: usize = 50;

/// Why a file cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FileProblem {
    /// More bytes than a form has.
    #[error("the file is larger than 20 MiB")]
    TooLarge,
    /// More rows, columns, sheets or cells than a form has.
    #[error("the file has more {what} than a form may have")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
    },
    /// Neither UTF-8 nor GB18030.
    #[error("the file is no text in UTF-8 or GB18030, and no XLSX workbook")]
    Encoding,
    /// A quotation mark that nothing closes swallows the rest of the file.
    #[error("a quotation mark in row {row} is never closed")]
    OpenQuote {
        /// The row, as the spreadsheet counts.
        row: u32,
    },
    /// Not a workbook, or a damaged one.
    #[error("the workbook is damaged or unpacks to more than it should")]
    Workbook,
    /// No row of headings that belong to one of the office's forms.
    #[error("no headings of a known form were found: 求职登记表, 招工登记表, 考勤工资表 or 在办案件表")]
    NoForm,
}

/// One sheet: its rows, each with its number as the spreadsheet shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sheet {
    pub(crate) name: String,
    pub(crate) rows: Vec<(u32, Vec<Cell>)>,
}

/// Whether the bytes are those of a packed workbook; else they are text.
pub(crate) fn is_workbook(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

/// The sheets of a file.
pub(crate) fn sheets(bytes: &[u8]) -> Result<Vec<Sheet>, FileProblem> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(FileProblem::TooLarge);
    }
    if is_workbook(bytes) {
        return workbook(bytes);
    }
    let text = text(bytes)?;
    let rows = separated(&text)?;
    Ok(vec![Sheet { name: "csv".into(), rows }])
}

/// UTF-8 where the bytes are that, else GB18030; a byte order mark decides and is not part of the text.
fn text(bytes: &[u8]) -> Result<String, FileProblem> {
    let decoded = match encoding_rs::Encoding::for_bom(bytes) {
        Some((encoding, _)) => encoding.decode(bytes),
        None => match std::str::from_utf8(bytes) {
            Ok(text) => return Ok(text.to_owned()),
            Err(_) => encoding_rs::GB18030.decode(bytes),
        },
    };
    let (text, _, damaged) = decoded;
    // NUL stands in no text of an office; it does in every other kind of file.
    if damaged || text.contains('\0') { Err(FileProblem::Encoding) } else { Ok(text.into_owned()) }
}

/// Comma, tab or semicolon: whichever the first lines hold most of.
fn separator(text: &str) -> char {
    let head: Vec<&str> = text.lines().take(20).collect();
    let count = |sep: char| head.iter().map(|line| line.matches(sep).count()).sum::<usize>();
    [',', '\t', ';'].into_iter().rev().max_by_key(|sep| count(*sep)).unwrap_or(',')
}

/// RFC 4180 with the habits of spreadsheets. Blank lines stay rows, so that row numbers are those people see.
fn separated(text: &str) -> Result<Vec<(u32, Vec<Cell>)>, FileProblem> {
    let sep = separator(text);
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted_since, mut number) = (None, 1);
    let mut cells = 0;
    let mut chars = text.chars().peekable();
    loop {
        let c = chars.next();
        match (c, quoted_since) {
            (None, Some(row)) => return Err(FileProblem::OpenQuote { row }),
            (Some('"'), Some(_)) if chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            (Some('"'), Some(_)) => quoted_since = None,
            (Some(c), Some(_)) => cell.push(c),
            (Some('"'), None) if cell.is_empty() => quoted_since = Some(number),
            (Some('\r'), None) if chars.peek() == Some(&'\n') => {}
            (Some('\n' | '\r') | None, None) => {
                row.push(Cell::text(&std::mem::take(&mut cell)));
                cells += row.len();
                if row.len() > MAX_COLUMNS {
                    return Err(FileProblem::TooMany { what: "columns" });
                }
                if rows.len() >= MAX_ROWS {
                    return Err(FileProblem::TooMany { what: "rows" });
                }
                if cells > MAX_CELLS {
                    return Err(FileProblem::TooMany { what: "cells" });
                }
                rows.push((number, std::mem::take(&mut row)));
                number += 1;
                if c.is_none() {
                    return Ok(rows);
                }
            }
            (Some(c), None) if c == sep => {
                row.push(Cell::text(&std::mem::take(&mut cell)));
            }
            (Some(c), None) => cell.push(c),
        }
    }
}

fn workbook(bytes: &[u8]) -> Result<Vec<Sheet>, FileProblem> {
    check_unpacked(bytes, MAX_UNPACKED)?;
    // The library reads what people mailed around for years; should it ever trip, the file is at fault.
    let mut book = Xlsx::new(Cursor::new(bytes)).map_err(|_| FileProblem::Workbook)?;
    let names = book.sheet_names();
    if names.len() > MAX_SHEETS {
        return Err(FileProblem::TooMany { what: "sheets" });
    }
    let mut sheets = Vec::new();
    let mut cells = 0;
    for name in names {
        let mut sheet = Sheet { name: name.clone(), rows: Vec::new() };
        // A chart or a macro sheet has no cells to read.
        let Ok(mut reader) = book.worksheet_cells_reader(&name) else { continue };
        while let Some(cell) = reader.next_cell().map_err(|_| FileProblem::Workbook)? {
            let value = of_workbook(cell.get_value());
            if value.is_empty() {
                continue;
            }
            let (row, column) = cell.get_position();
            let (number, column) = (row.saturating_add(1), column as usize);
            if column >= MAX_COLUMNS {
                return Err(FileProblem::TooMany { what: "columns" });
            }
            cells += 1;
            if cells > MAX_CELLS {
                return Err(FileProblem::TooMany { what: "cells" });
            }
            match sheet.rows.last_mut() {
                Some((last, row)) if *last == number => put(row, column, value),
                Some((last, _)) if *last > number => return Err(FileProblem::Workbook),
                Some(_) | None => {
                    if sheet.rows.len() >= MAX_ROWS {
                        return Err(FileProblem::TooMany { what: "rows" });
                    }
                    let mut row = Vec::new();
                    put(&mut row, column, value);
                    sheet.rows.push((number, row));
                }
            }
        }
        drop(reader);
        let merged = book.merge_cells_by_sheet_name(&name).unwrap_or_default();
        for area in merged {
            fill_down(&mut sheet, area.start, area.end);
        }
        sheets.push(sheet);
    }
    Ok(sheets)
}

/// What a cell merged over several rows says holds for each of them.
fn fill_down(sheet: &mut Sheet, start: (u32, u32), end: (u32, u32)) {
    let column = start.1 as usize;
    if end.0 <= start.0 || column >= MAX_COLUMNS {
        return;
    }
    let first = sheet.rows.iter().position(|(number, _)| *number == start.0.saturating_add(1));
    let Some(first) = first else { return };
    let Some(value) = sheet.rows[first].1.get(column).cloned() else { return };
    for (number, row) in sheet.rows.iter_mut().skip(first + 1) {
        if *number > end.0.saturating_add(1) {
            break;
        }
        if row.get(column).is_none_or(Cell::is_empty) {
            put(row, column, value.clone());
        }
    }
}

fn put(row: &mut Vec<Cell>, column: usize, value: Cell) {
    if row.len() <= column {
        row.resize(column + 1, Cell::default());
    }
    row[column] = value;
}

/// A formula counts as the value that was last calculated; nothing is calculated here.
fn of_workbook(value: &DataRef<'_>) -> Cell {
    match value {
        DataRef::Empty => Cell::default(),
        DataRef::Int(number) => Cell::text(&number.to_string()),
        DataRef::Float(number) => Cell::number(*number),
        DataRef::String(text) => Cell::text(text),
        DataRef::SharedString(text) => Cell::text(text),
        DataRef::Bool(yes) => Cell::text(if *yes { "是" } else { "否" }),
        DataRef::DateTime(at) => {
            let (year, month, day, hour, minute, second, _) = at.to_ymd_hms_milli();
            // A cell that holds 5:59:59.999 shows 6:00.
            let minutes = u32::from(hour) * 60 + u32::from(minute) + u32::from(second >= 30);
            let clock = format!("{:02}:{:02}", minutes / 60, minutes % 60);
            match (year < 1901, minutes) {
                (true, _) => Cell::text(&clock),
                (false, 0) => Cell::text(&format!("{year:04}-{month:02}-{day:02}")),
                (false, _) => Cell::text(&format!("{year:04}-{month:02}-{day:02} {clock}")),
            }
        }
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => Cell::text(text),
        DataRef::Error(_) => Cell::text("#错误"),
    }
}

/// Unpacks every entry into nothing, counting, before a library unpacks it into memory: what the directory
/// says about sizes is a claim of whoever made the file.
fn check_unpacked(bytes: &[u8], most: u64) -> Result<(), FileProblem> {
    let number = |at: usize, length: usize| -> Option<u64> {
        let field = bytes.get(at..at.checked_add(length)?)?;
        Some(field.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    let mut left = most;
    let mut at = 0;
    while let Some(found) = find(&bytes[at..], b"PK\x01\x02") {
        let entry = at + found;
        at = entry + 4;
        let (Some(method), Some(packed), Some(local)) =
            (number(entry + 10, 2), number(entry + 20, 4), number(entry + 42, 4))
        else {
            continue;
        };
        let local = local as usize;
        if bytes.get(local..local.saturating_add(4)) != Some(b"PK\x03\x04") {
            return Err(FileProblem::Workbook);
        }
        let (Some(name), Some(extra)) = (number(local + 26, 2), number(local + 28, 2)) else {
            return Err(FileProblem::Workbook);
        };
        let from = local + 30 + name as usize + extra as usize;
        let data = from.checked_add(packed as usize).and_then(|until| bytes.get(from..until));
        let data = data.ok_or(FileProblem::Workbook)?;
        let unpacked = match method {
            0 => packed,
            8 => {
                let mut inflated = flate2::read::DeflateDecoder::new(data).take(left + 1);
                std::io::copy(&mut inflated, &mut std::io::sink()).map_err(|_| FileProblem::Workbook)?
            }
            _ => return Err(FileProblem::Workbook),
        };
        left = left.checked_sub(unpacked).ok_or(FileProblem::Workbook)?;
    }
    Ok(())
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> Vec<(u32, Vec<String>)> {
        let sheets = sheets(bytes).unwrap();
        let texts = |row: &Vec<Cell>| row.iter().map(|cell| cell.as_str().to_owned()).collect();
        sheets[0].rows.iter().map(|(number, row)| (*number, texts(row))).collect()
    }

    #[test]
    fn the_same_words_in_four_encodings_are_the_same_cells() {
        let text = "姓名,工种\n张𡘙,瓦工\n";
        let gb = encoding_rs::GB18030.encode(text).0.into_owned();
        let utf16: Vec<u8> =
            [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let expected = shown(text.as_bytes());
        assert_eq!(expected[1], (2, vec!["张𡘙".to_owned(), "瓦工".to_owned()]));
        assert_eq!(shown(format!("\u{feff}{text}").as_bytes()), expected, "with a byte order mark");
        assert_eq!(shown(&gb), expected);
        assert_eq!(shown(&utf16), expected);
        assert_eq!(sheets(&[0xff, 0x00, 0x81]), Err(FileProblem::Encoding));
    }

    #[test]
    fn row_numbers_are_those_that_the_spreadsheet_shows() {
        let rows = shown("表名\r\n\r\n\"两\n行\",b\r\n最后,一行".as_bytes());
        assert_eq!(rows.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(rows[2].1, ["两\n行", "b"]);
        assert_eq!(sheets("a,b\n\"c,d\n".as_bytes()), Err(FileProblem::OpenQuote { row: 2 }));
    }

    #[test]
    fn a_file_that_unpacks_without_end_is_refused_before_it_is_unpacked() {
        let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut packed, &vec![0; 1 << 20]).unwrap();
        let packed = packed.finish().unwrap();
        assert!(packed.len() < 1 << 12);
        // The directory claims one byte.
        let size = (packed.len() as u32).to_le_bytes();
        let mut file = b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0".to_vec();
        file.extend(size);
        file.extend([1, 0, 0, 0, 1, 0, 0, 0, b'a']);
        file.extend(&packed);
        file.extend(b"PK\x01\x02\x14\0\x14\0\0\0\x08\0\0\0\0\0\0\0\0\0");
        file.extend(size);
        file.extend([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, b'a']);
        assert_eq!(check_unpacked(&file, 1 << 20), Ok(()));
        assert_eq!(check_unpacked(&file, (1 << 20) - 1), Err(FileProblem::Workbook));
        assert_eq!(sheets(&vec![b'a'; MAX_FILE_BYTES + 1]), Err(FileProblem::TooLarge));
        assert_eq!(sheets(",".repeat(MAX_COLUMNS).as_bytes()), Err(FileProblem::TooMany { what: "columns" }));
        assert_eq!(sheets("\n".repeat(MAX_ROWS).as_bytes()), Err(FileProblem::TooMany { what: "rows" }));
    }
}
