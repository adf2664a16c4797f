//! Names the code that a snapshot is of: another fold or another form of the state is another name.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What decides how events become state and how state is written: this crate, the events, the libraries.
const SOURCES: [&str; 3] = ["src", "../events/src", "../Cargo.lock"];

fn main() -> io::Result<()> {
    let mut files = Vec::new();
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
        files_under(Path::new(source), &mut files)?;
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in &files {
        file.hash(&mut hasher);
        fs::read(file)?.hash(&mut hasher);
    }
    println!("cargo::rustc-env=LINGGONG_FOLD={:016x}", hasher.finish());
    Ok(())
}

fn files_under(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        files_under(&entry?.path(), files)?;
    }
    Ok(())
}
