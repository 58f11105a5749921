//! Where a tensor is: a file, and perhaps a name in it, as `FILE.npy`, `FILE.npz:NAME`, `FILE.safetensors:NAME`.

use std::fs;
use std::path::{Path, PathBuf};

use hadamard::{Device, Error, Result, Tensor, file_kind, npz_names, safetensors_names, write_npz, write_safetensors};

/// A tensor in a file.
#[derive(Debug, PartialEq)]
pub(crate) enum Location {
    Npy(PathBuf),
    Member(Member),
}

/// A tensor in a file of several.
#[derive(Debug, PartialEq)]
pub(crate) struct Member {
    format: Format,
    path: PathBuf,
    /// The tensor's name, if it was given.
    pub(crate) name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Format {
    Npz,
    Safetensors,
    /// Of `.safetensors` files, each of which holds some of the tensors.
    Index,
}

const FORMATS: [(&str, Format); 3] =
    [(".npz", Format::Npz), (".safetensors", Format::Safetensors), (".json", Format::Index)];

/// Whether a path has this ending, and a name before it.
fn ends(path: &str, ending: &str) -> bool {
    let name = path.rsplit(['/', std::path::MAIN_SEPARATOR]).next().unwrap_or(path);
    name.len() > ending.len() && name.to_lowercase().ends_with(ending)
}

fn member(path: &str, name: Option<&str>) -> Option<Location> {
    let (_, format) = FORMATS.into_iter().find(|(ending, _)| ends(path, ending))?;
    Some(Location::Member(Member { format, path: path.into(), name: name.map(ToOwned::to_owned) }))
}

impl Location {
    /// Recognised by the file's extension. `None` if that is none of ours.
    ///
    /// Folders and tensors may have colons in their names and even endings: where the text can be read in several ways,
    /// a file that is there decides, then a folder that is there.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let whole = if ends(text, ".npy") { Some(Self::Npy(text.into())) } else { member(text, None) };
        let parts = text.rmatch_indices(':').filter_map(|(at, _)| member(&text[..at], Some(&text[at + 1..])));
        // From the longest path to the shortest.
        let mut ways: Vec<Self> = whole.into_iter().chain(parts).collect();
        let is_file = |way: &Self| way.path().exists() && !way.path().is_dir();
        let at = ways.iter().position(is_file).or_else(|| ways.iter().position(Self::names_nothing)).or_else(|| {
            // The deepest folder that is there, and in it the shortest path.
            let depth = |way: &Self| {
                let folder = way.path().parent()?;
                (folder == Path::new("") || folder.is_dir()).then_some(folder.as_os_str().len())
            };
            let found = ways.iter().enumerate().filter_map(|(i, way)| Some((depth(way)?, i))).max()?;
            Some(found.1)
        });
        let at = at.unwrap_or(ways.len().saturating_sub(1));
        (at < ways.len()).then(|| ways.swap_remove(at))
    }

    /// Whether it is a file, and no tensor in it.
    fn names_nothing(&self) -> bool {
        !matches!(self, Self::Member(Member { name: Some(_), .. }))
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Npy(path) | Self::Member(Member { path, .. }) => path,
        }
    }

    pub(crate) fn read(&self, device: &Device) -> Result<Tensor> {
        match self {
            Self::Npy(path) => Tensor::read_npy(path, device),
            Self::Member(member) => member.read(device),
        }
    }

    /// Whether it is an index, and the file one that it may name.
    pub(crate) fn may_read(&self, file: &Path) -> bool {
        let Self::Member(Member { format: Format::Index, path, .. }) = self else { return false };
        let (Ok(index), Ok(file)) = (fs::canonicalize(path), fs::canonicalize(file)) else { return false };
        index.parent().is_some_and(|folder| file.starts_with(folder))
    }

    /// What speaks against writing here: a file that would be lost, or one that no tensor can be added to.
    pub(crate) fn check_writable(&self, force: bool) -> Result<()> {
        let path = self.path();
        let refuse = |message: String| Err(Error::File { path: path.display().to_string(), message });
        if let Self::Member(Member { format: Format::Index, .. }) = self {
            return refuse("an index names the files that hold tensors: write into one of those".to_owned());
        }
        if !path.exists() {
            return Ok(());
        }
        let instead = match self {
            Self::Member(member) if member.name.is_some() => return member.names().map(drop),
            Self::Member(_) => "; FILE:TENSOR adds a tensor to it",
            Self::Npy(_) => "",
        };
        if force {
            return Ok(());
        }
        refuse(format!("there is such a file already (--force overwrites it{instead})"))
    }

    /// Writes a file of the tensor, called `result`; or, if a name was given, adds the tensor to what is in the file.
    pub(crate) fn write(&self, tensor: &Tensor) -> Result<()> {
        match self {
            Self::Npy(path) => tensor.write_npy(path),
            Self::Member(Member { format: Format::Npz, path, name }) => match name {
                None => write_npz(path, &[("result", tensor)]),
                Some(name) => tensor.write_npz(path, name),
            },
            Self::Member(Member { format: Format::Safetensors | Format::Index, path, name }) => match name {
                None => write_safetensors(path, &[("result", tensor)]),
                Some(name) => tensor.write_safetensors(path, name),
            },
        }
    }
}

impl Member {
    /// The names of the tensors of its file.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        match self.format {
            Format::Npz => npz_names(&self.path),
            Format::Safetensors | Format::Index => safetensors_names(&self.path),
        }
    }

    fn read(&self, device: &Device) -> Result<Tensor> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => self.only()?,
        };
        match self.format {
            Format::Npz => Tensor::read_npz(&self.path, &name, device),
            Format::Safetensors | Format::Index => Tensor::read_safetensors(&self.path, &name, device),
        }
    }

    /// The name of the only tensor there is.
    fn only(&self) -> Result<String> {
        let mut names = self.names()?;
        if names.len() == 1 {
            return Ok(names.remove(0));
        }
        let shown = names.iter().take(20).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if names.len() > 20 { ", …" } else { "" };
        let message = format!("say which of its {} tensors, as FILE:TENSOR (there are: {shown}{more})", names.len());
        Err(Error::File { path: self.path.display().to_string(), message })
    }
}

/// What is said of a file that has none of our endings but is of a known kind.
pub(crate) fn kind_of(text: &str) -> Option<Error> {
    let paths = std::iter::once(text).chain(text.rmatch_indices(':').map(|(at, _)| &text[..at]));
    let path = paths.map(Path::new).find(|path| path.is_file())?;
    let message = file_kind(path).ok().flatten()?.to_owned();
    Some(Error::File { path: path.display().to_string(), message })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(path: &str) -> Location {
        Location::Npy(path.into())
    }

    fn of(format: Format, path: &str, name: Option<&str>) -> Location {
        Location::Member(Member { format, path: path.into(), name: name.map(ToOwned::to_owned) })
    }

    #[test]
    fn endings_tell_formats() {
        use Format::{Index, Npz, Safetensors};
        for (text, want) in [
            ("B.NPY", npy("B.NPY")),
            ("m.safetensors", of(Safetensors, "m.safetensors", None)),
            ("C:\\m.safetensors:l.0:w", of(Safetensors, "C:\\m.safetensors", Some("l.0:w"))),
            ("m.safetensors:x.npy", npy("m.safetensors:x.npy")),
            ("m.safetensors:a/b", of(Safetensors, "m.safetensors", Some("a/b"))),
            ("m.safetensors:", of(Safetensors, "m.safetensors", Some(""))),
            ("a.npz", of(Npz, "a.npz", None)),
            ("a.npz:arr_0", of(Npz, "a.npz", Some("arr_0"))),
            ("m.safetensors.index.json:w", of(Index, "m.safetensors.index.json", Some("w"))),
        ] {
            assert_eq!(Location::parse(text), Some(want), "{text}");
        }
        for text in ["", ".npy", "npy", "a.txt", "d/.npz", "a.txt:x", ":", "a:b"] {
            assert_eq!(Location::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_there_decides_where_a_path_ends() {
        use Format::Safetensors;
        let root = tempfile::tempdir().unwrap();
        let at = |rest: &str| format!("{}/{rest}", root.path().display());
        fs::create_dir(at("dir.safetensors:x")).unwrap();
        fs::write(at("dir.safetensors:x/m.safetensors"), "").unwrap();
        fs::write(at("n.safetensors"), "").unwrap();
        for (text, path, name) in [
            ("dir.safetensors:x/m.safetensors:y", "dir.safetensors:x/m.safetensors", Some("y")),
            ("dir.safetensors:x/new.safetensors:y", "dir.safetensors:x/new.safetensors", Some("y")),
            ("dir.safetensors:x/m.safetensors", "dir.safetensors:x/m.safetensors", None),
            ("n.safetensors:x.npy", "n.safetensors", Some("x.npy")),
            ("n.safetensors:b.safetensors:c", "n.safetensors", Some("b.safetensors:c")),
        ] {
            assert_eq!(Location::parse(&at(text)), Some(of(Safetensors, &at(path), name)), "{text}");
        }
    }
}
