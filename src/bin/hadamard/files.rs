//! The files and numbers that `eval` and `explain` are given: `a=a.npy`, `w=model.safetensors:layer.weight`, `lr=0.01`.

use std::fs;
use std::path::Path;

use hadamard::{Device, Error, Expr, Result, Scalar};

use crate::location::{Location, kind_of};

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

const VALUES: &str = "a number, FILE.npy, FILE.npz[:ARRAY] or FILE.safetensors[:TENSOR] after '='";

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
            None => Value::File(match Location::parse(value) {
                Some(location) => location,
                None => return Err(kind_of(value).unwrap_or_else(|| refuse(VALUES, &format!("'{argument}'")))),
            }),
        };
        Ok(Self { name: name.to_owned(), value })
    }

    /// The number, or the tensor from the file. One that `text` only casts to fewer bytes is cast before it is uploaded:
    /// there is less to move, and a device without f64 need not hold it.
    pub(crate) fn load(&self, text: &str, device: &Device) -> Result<Expr> {
        let location = match &self.value {
            Value::Number(number) => return Ok((*number).into()),
            Value::File(location) => location,
        };
        let Some(dtype) = Expr::cast_in(text, &self.name).filter(|_| device.is_gpu()) else {
            return Ok(location.read(device)?.into());
        };
        let mut tensor = location.read(&Device::cpu())?;
        if dtype.size() < tensor.dtype().size() {
            tensor = tensor.cast(dtype).eval()?;
        }
        Ok(tensor.to_device(device)?.into())
    }

    /// What it is read from, if it is no number.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.value {
            Value::Number(_) => None,
            Value::File(location) => Some(location.path()),
        }
    }

    /// Whether it is read from what a location names: that file, or that tensor of it.
    pub(crate) fn is_at(&self, place: &Location) -> bool {
        let Value::File(location) = &self.value else { return false };
        let same_tensor = match (location, place) {
            (Location::Member(read), Location::Member(written)) => match (&read.name, &written.name) {
                (Some(read), Some(written)) => read == written,
                // The only one there is.
                (None, Some(written)) => read.names().is_ok_and(|names| names == [written.as_str()]),
                (_, None) => true,
            },
            _ => true,
        };
        same_tensor && (is_same_file(location.path(), place.path()) || location.may_read(place.path()))
    }
}

fn number(text: &str) -> Option<Scalar> {
    match text {
        "True" => Some(Scalar::Bool(true)),
        "False" => Some(Scalar::Bool(false)),
        _ => text.parse().map(Scalar::Int).or_else(|_| text.parse().map(Scalar::Float)).ok(),
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
        let file = |text: &str| Value::File(Location::parse(text).unwrap());
        for (argument, name, value) in [
            ("a=a.npy", "a", file("a.npy")),
            ("_x1=some where/B.NPY", "_x1", file("some where/B.NPY")),
            ("a=b=c.npy", "a", file("b=c.npy")),
            ("größe=x.npz:y", "größe", file("x.npz:y")),
            ("n=3", "n", Value::Number(Scalar::Int(3))),
            ("n=-3", "n", Value::Number(Scalar::Int(-3))),
            ("lr=1e-3", "lr", Value::Number(Scalar::Float(1e-3))),
            ("lr=-inf", "lr", Value::Number(Scalar::Float(f64::NEG_INFINITY))),
            ("big=9223372036854775808", "big", Value::Number(Scalar::Float(9_223_372_036_854_775_808.0))),
            ("p=True", "p", Value::Number(Scalar::Bool(true))),
        ] {
            assert_eq!(Input::parse(argument).unwrap(), Input { name: name.to_owned(), value }, "{argument}");
        }
        for argument in
            ["", "a", "a.npy", "=a.npy", "1a=a.npy", "a b=a.npy", "a-b=1", "True=1", "a=", "a=a.txt", "a=npy", "a=0x10"]
        {
            assert!(Input::parse(argument).is_err(), "{argument}");
        }
        assert!(inputs(&["a=1".to_owned(), "b=2".to_owned(), "a=3".to_owned()]).is_err());
    }
}
