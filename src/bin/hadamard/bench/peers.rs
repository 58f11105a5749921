//! Measurements of other libraries, for the page: files of JSON lines, as the programs in benches/peers/ write them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use hadamard::Error;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::findings::{Contender, Row};

/// One measurement.
#[derive(Deserialize, Debug)]
pub(crate) struct Peer {
    /// The library, with its version.
    pub(crate) who: String,
    device: String,
    case: String,
    dtype: String,
    shape: Vec<usize>,
    /// The median, unless it failed.
    #[serde(rename = "ms", default, deserialize_with = "time")]
    pub(crate) time: Option<Duration>,
}

impl Peer {
    pub(crate) fn is_of(&self, row: &Row, contender: &Contender) -> bool {
        self.device.eq_ignore_ascii_case(contender.role())
            && self.case == row.case.name
            && self.dtype == row.dtype.name()
            && self.shape == [row.size.rows, row.size.columns]
    }
}

fn time<'de, D: Deserializer<'de>>(ms: D) -> Result<Option<Duration>, D::Error> {
    let time = |ms: f64| Duration::try_from_secs_f64(ms / 1e3).map_err(D::Error::custom);
    Option::deserialize(ms)?.map(time).transpose()
}

/// What all files hold, but for the tool's own lines.
pub(crate) fn read(files: &[PathBuf]) -> Result<Vec<Peer>, Error> {
    let mut peers = Vec::new();
    for path in files {
        let fail = |message: String| Error::File { path: path.display().to_string(), message };
        let text = fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let peer: Peer = serde_json::from_str(line).map_err(|error| {
                fail(format!("line {}: a measurement of benches/peers was expected: {error}", i + 1))
            })?;
            if peer.who != "hadamard" {
                peers.push(peer);
            }
        }
    }
    Ok(peers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_no_measurements_are_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let good = r#"{"who": "NumPy 2", "device": "cpu", "case": "a*b", "dtype": "f32", "shape": [4, 4], "ms": 1.5}"#;
        let failed =
            r#"{"who": "X", "device": "cpu", "case": "a*b", "dtype": "f32", "shape": [4, 4], "error": "memory"}"#;
        fs::write(file.path(), format!("{good}\n\n{failed}\n")).unwrap();
        let peers = read(&[file.path().to_owned()]).unwrap();
        assert_eq!(peers.iter().map(|peer| peer.time).collect::<Vec<_>>(), [Some(Duration::from_micros(1500)), None]);
        fs::write(file.path(), format!("{good}\nnothing\n")).unwrap();
        let error = read(&[file.path().to_owned()]).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        fs::write(file.path(), good.replace("1.5", "-1.5")).unwrap();
        let error = read(&[file.path().to_owned()]).unwrap_err().to_string();
        assert!(error.contains("line 1"), "{error}");
        assert!(read(&["no-such-file.jsonl".into()]).unwrap_err().to_string().contains("no-such-file.jsonl"));
    }
}
