//! For the tests of this crate: a fake root directory with files in it.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

/// A fake root directory, removed on drop.
pub(crate) struct Tree(PathBuf);

impl Tree {
    /// A root of its own for `name`, with these files: path below it, content.
    pub(crate) fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let root = env::temp_dir().join(format!("manyhands-{}-{name}", process::id()));
        for (path, content) in files {
            let file = root.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        }
        Self(root)
    }

    /// Where it is.
    pub(crate) fn root(&self) -> &Path {
        &self.0
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // A tree without files was never made.
        drop(fs::remove_dir_all(&self.0));
    }
}
