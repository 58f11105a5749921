//! The files and numbers that `eval` and `explain` are given: `a=a.npy`, `w=model.safetensors:layer.weight`, `lr=0.01`.

use std::fs;
use std::path::{Path, PathBuf};

use hadamard::{Device, Error, Expr, Result, Scalar, Tensor, safetensors_names, write_safetensors};

/// What a name stands for.
#[derive(Debug, PartialEq)]
pub(crate) struct Input {
    pub(crate) name: String,
    value: Value,
}

#[derive(Debug, PartialEq)]
enum Value {
    Number(Scalar),
    File(Location),
}

/// A tensor in a file.
#[derive(Debug, PartialEq)]
pub(crate) enum Location {
    Npy(PathBuf),
    /// With the tensor's name, if it was given.
    Safetensors(PathBuf, Option<String>),
}

/// What the arguments after the expression stand for.
pub(crate) fn inputs(arguments: &[String]) -> Result<Vec<Input>> {
    let mut found: Vec<Input> = Vec::new();
    for argument in arguments {
        let input = Input::parse(argument)?;
        if found.iter().any(|other| other.name == input.name) {
            return Err(refuse("each name once", &format!("'{}' twice", input.name)));
        }
        found.push(input);
    }
    Ok(found)
}

fn refuse(expected: &str, found: &str) -> Error {
    Error::Argument { op: "arguments", expected: expected.to_owned(), found: found.to_owned() }
}

impl Input {
    fn parse(argument: &str) -> Result<Self> {
        let Some((name, value)) = argument.split_once('=') else {
            return Err(refuse("NAME=FILE or NAME=NUMBER after the expression", &format!("'{argument}'")));
        };
        let identifier = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_alphanumeric() || c == '_')
            && !matches!(name, "True" | "False" | "None" | "and" | "or" | "not" | "if" | "else");
        if !identifier {
            return Err(refuse("a name of letters, digits and _ before '='", &format!("'{argument}'")));
        }
        let value = match number(value) {
            Some(number) => Value::Number(number),
            None => Value::File(Location::parse(value).ok_or_else(|| {
                refuse("a number, FILE.npy or FILE.safetensors[:TENSOR] after '='", &format!("'{argument}'"))
            })?),
        };
        Ok(Self { name: name.to_owned(), value })
    }

    /// The number, or the tensor from the file.
    pub(crate) fn load(&self, device: &Device) -> Result<Expr> {
        match &self.value {
            Value::Number(number) => Ok((*number).into()),
            Value::File(location) => Ok(location.read(device)?.into()),
        }
    }

    /// Whether it is read from what a location names: that file, or that tensor of it.
    pub(crate) fn is_at(&self, place: &Location) -> bool {
        let Value::File(location) = &self.value else { return false };
        let same_tensor = match (location, place) {
            (Location::Safetensors(path, read), Location::Safetensors(_, Some(written))) => match read {
                Some(read) => read == written,
                // The only one there is.
                None => safetensors_names(path).is_ok_and(|names| names == [written.as_str()]),
            },
            _ => true,
        };
        same_tensor && is_same_file(location.path(), place.path())
    }
}

fn number(text: &str) -> Option<Scalar> {
    match text {
        "True" => Some(Scalar::Bool(true)),
        "False" => Some(Scalar::Bool(false)),
        _ => text.parse().map(Scalar::Int).or_else(|_| text.parse().map(Scalar::Float)).ok(),
    }
}

impl Location {
    /// Recognised by the file's extension. `None` if that is neither.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        const ENDING: &str = ".safetensors";
        let ends = |ending: &str| text.len() > ending.len() && text.to_lowercase().ends_with(ending);
        if ends(".npy") {
            return Some(Self::Npy(text.into()));
        }
        if ends(ENDING) {
            return Some(Self::Safetensors(text.into(), None));
        }
        let (path, tensor) = text.split_once(".safetensors:")?;
        Some(Self::Safetensors(format!("{path}{ENDING}").into(), Some(tensor.to_owned())))
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Npy(path) | Self::Safetensors(path, _) => path,
        }
    }

    fn read(&self, device: &Device) -> Result<Tensor> {
        match self {
            Self::Npy(path) => Tensor::read_npy(path, device),
            Self::Safetensors(path, Some(tensor)) => Tensor::read_safetensors(path, tensor, device),
            Self::Safetensors(path, None) => {
                let names = safetensors_names(path)?;
                let [only] = &names[..] else {
                    let shown = names.iter().take(20).map(String::as_str).collect::<Vec<_>>().join(", ");
                    let more = if names.len() > 20 { ", …" } else { "" };
                    let message =
                        format!("say which of its {} tensors, as FILE:TENSOR (there are: {shown}{more})", names.len());
                    return Err(Error::File { path: path.display().to_string(), message });
                };
                Tensor::read_safetensors(path, only, device)
            }
        }
    }

    /// What speaks against writing here: a file that would be lost, or one that no tensor can be added to.
    pub(crate) fn check_writable(&self, force: bool) -> Result<()> {
        let path = self.path();
        if !path.exists() {
            return Ok(());
        }
        let instead = match self {
            Self::Safetensors(path, Some(_)) => return safetensors_names(path).map(drop),
            Self::Safetensors(_, None) => "; FILE:TENSOR adds a tensor to it",
            Self::Npy(_) => "",
        };
        if force {
            return Ok(());
        }
        let message = format!("there is such a file already (--force overwrites it{instead})");
        Err(Error::File { path: path.display().to_string(), message })
    }

    /// Writes a file of the tensor, called `result`; or, if a name was given, adds the tensor to what is in the file.
    pub(crate) fn write(&self, tensor: &Tensor) -> Result<()> {
        match self {
            Self::Npy(path) => tensor.write_npy(path),
            Self::Safetensors(path, None) => write_safetensors(path, &[("result", tensor)]),
            Self::Safetensors(path, Some(name)) => tensor.write_safetensors(path, name),
        }
    }
}

/// Whether two paths lead to the same file, also through symbolic or hard links.
fn is_same_file(a: &Path, b: &Path) -> bool {
    let (Ok(a), Ok(b)) = (fs::canonicalize(a), fs::canonicalize(b)) else {
        return false;
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if let (Ok(a), Ok(b)) = (fs::metadata(&a), fs::metadata(&b)) {
            return (a.dev(), a.ino()) == (b.dev(), b.ino());
        }
    }
    a == b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_numbers_or_files() {
        let npy = |path: &str| Value::File(Location::Npy(path.into()));
        let tensors = |path: &str, name: Option<&str>| {
            Value::File(Location::Safetensors(path.into(), name.map(ToOwned::to_owned)))
        };
        for (argument, name, value) in [
            ("a=a.npy", "a", npy("a.npy")),
            ("_x1=some where/B.NPY", "_x1", npy("some where/B.NPY")),
            ("a=b=c.npy", "a", npy("b=c.npy")),
            ("größe=x.npy", "größe", npy("x.npy")),
            ("w=m.safetensors", "w", tensors("m.safetensors", None)),
            ("w=C:\\m.safetensors:l.0:w", "w", tensors("C:\\m.safetensors", Some("l.0:w"))),
            ("w=m.safetensors:x.npy", "w", npy("m.safetensors:x.npy")),
            ("n=3", "n", Value::Number(Scalar::Int(3))),
            ("n=-3", "n", Value::Number(Scalar::Int(-3))),
            ("lr=1e-3", "lr", Value::Number(Scalar::Float(1e-3))),
            ("lr=-inf", "lr", Value::Number(Scalar::Float(f64::NEG_INFINITY))),
            ("big=9223372036854775808", "big", Value::Number(Scalar::Float(9_223_372_036_854_775_808.0))),
            ("p=True", "p", Value::Number(Scalar::Bool(true))),
        ] {
            assert_eq!(Input::parse(argument).unwrap(), Input { name: name.to_owned(), value }, "{argument}");
        }
        for argument in [
            "",
            "a",
            "a.npy",
            "=a.npy",
            "1a=a.npy",
            "a b=a.npy",
            "a-b=1",
            "True=1",
            "a=",
            "a=a.txt",
            "a=.npy",
            "a=npy",
            "a=0x10",
        ] {
            assert!(Input::parse(argument).is_err(), "{argument}");
        }
        assert!(inputs(&["a=1".to_owned(), "b=2".to_owned(), "a=3".to_owned()]).is_err());
    }
}
