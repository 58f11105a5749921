//! The header of a `.npy` file: a Python literal, a dict with three keys in any order.

/// The fields of a header, unchecked.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) descr: String,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<usize>,
}

/// Reads a header.
pub(super) fn parse(text: &str) -> Result<Header, String> {
    let mut literal = Literal { rest: text };
    let (mut descr, mut fortran_order, mut shape) = (None, None, None);
    literal.expect('{')?;
    while !literal.take('}') {
        let key = literal.string()?;
        literal.expect(':')?;
        match key {
            "descr" => descr = Some(literal.descr()?),
            "fortran_order" => fortran_order = Some(literal.truth()?),
            "shape" => shape = Some(literal.sizes()?),
            other => return Err(format!("the header has an unknown key '{other}'")),
        }
        if !literal.take(',') {
            literal.expect('}')?;
            break;
        }
    }
    if !literal.rest.trim().is_empty() {
        return Err("the header goes on after its '}'".to_owned());
    }
    let missing = |key: &str| format!("the header lacks '{key}'");
    Ok(Header {
        descr: descr.ok_or_else(|| missing("descr"))?.to_owned(),
        fortran_order: fortran_order.ok_or_else(|| missing("fortran_order"))?,
        shape: shape.ok_or_else(|| missing("shape"))?,
    })
}

/// The part of a Python literal that is still to be read.
struct Literal<'a> {
    rest: &'a str,
}

impl<'a> Literal<'a> {
    fn take(&mut self, mark: char) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.strip_prefix(mark).inspect(|rest| self.rest = rest).is_some()
    }

    fn expect(&mut self, mark: char) -> Result<(), String> {
        if self.take(mark) { Ok(()) } else { Err(format!("the header lacks a '{mark}'")) }
    }

    fn string(&mut self) -> Result<&'a str, String> {
        self.rest = self.rest.trim_start();
        // Python 2 wrote texts with a letter before them, and Python 3 so writes bytes.
        let quoted = self.rest.strip_prefix(['u', 'U', 'b', 'B']).unwrap_or(self.rest);
        for quote in ['\'', '"'] {
            if let Some((inside, rest)) = quoted.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
                self.rest = rest;
                return Ok(inside);
            }
        }
        Err("the header lacks a text in quotes".to_owned())
    }

    /// The type of the elements. That of an array of structures is a list of fields.
    fn descr(&mut self) -> Result<&'a str, String> {
        if let Ok(text) = self.string() {
            return Ok(text);
        }
        if !self.take('[') {
            return Err("'descr' in the header names no type".to_owned());
        }
        let mut fields = Vec::new();
        while fields.len() < 8 && self.take('(') {
            let Ok(field) = self.string() else { break };
            fields.push(format!("'{field}'"));
            // To the next field, unless this one has fields of its own.
            let Some((_, rest)) = self.rest.split_once(')') else { break };
            self.rest = rest;
            self.take(',');
        }
        let fields = if fields.is_empty() { String::new() } else { format!(" with fields {}", fields.join(", ")) };
        Err(format!("a structured array{fields} is not supported: save one field at a time, as x['field']"))
    }

    fn truth(&mut self) -> Result<bool, String> {
        self.rest = self.rest.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err("'fortran_order' in the header is neither True nor False".to_owned())
    }

    fn sizes(&mut self) -> Result<Vec<usize>, String> {
        let close = if self.take('[') {
            ']'
        } else {
            self.expect('(')?;
            ')'
        };
        let mut sizes = Vec::new();
        while !self.take(close) {
            self.rest = self.rest.trim_start();
            let digits = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
            let size = self.rest[..digits].parse();
            sizes.push(size.map_err(|_| "'shape' in the header is no tuple of sizes".to_owned())?);
            self.rest = &self.rest[digits..];
            // Python 2 wrote long integers with a letter.
            self.take('L');
            if !self.take(',') {
                self.expect(close)?;
                break;
            }
        }
        Ok(sizes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_as_others_write_them_are_read() {
        for (text, shape) in [
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }      \n", vec![3, 4]),
            ("{\"shape\":(3L,),\"descr\":\"<f4\",\"fortran_order\":False}", vec![3]),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': ()}", vec![]),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': [2]}", vec![2]),
            ("{u'descr': u'<f4', u'fortran_order': False, u'shape': (10L, 2L), }", vec![10, 2]),
            ("{b'descr': b'<f4', b'fortran_order': False, b'shape': (1,)}", vec![1]),
        ] {
            let header = parse(text).unwrap();
            assert_eq!((header.descr.as_str(), header.fortran_order, header.shape), ("<f4", false, shape));
        }
    }

    #[test]
    fn other_headers_are_refused() {
        for (text, words) in [
            ("", "'{'"),
            ("{}", "lacks 'descr'"),
            ("{'descr': '<f4'}", "lacks 'fortran_order'"),
            (
                "{'descr': [('a', '<f4'), ('b', '<i4', (2,))], 'shape': (3,)}",
                "structured array with fields 'a', 'b' is",
            ),
            ("{'descr': [(('t', 'a'), '<f4')], 'shape': (3,)}", "a structured array is"),
            ("{'descr': [], 'shape': (3,)}", "a structured array is"),
            ("{'descr': ('<f4', (3,)), 'shape': (3,)}", "names no type"),
            ("{'descr': u, 'shape': (3,)}", "names no type"),
            ("{'descr': '<f4', 'fortran_order': 0, 'shape': (3,)}", "neither True nor False"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}", "no tuple of sizes"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "no tuple of sizes"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} x", "goes on"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'more': 1}", "unknown key 'more'"),
            (&"(".repeat(60_000), "'{'"),
            (&"{'descr': ".repeat(6000), "names no type"),
        ] {
            let error = parse(text).err().unwrap();
            assert!(error.contains(words), "{error}");
        }
    }
}
