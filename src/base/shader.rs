//! The texts of shaders.
//!
//! A page downloads them, so in a browser they stand without comments, and those that no browser runs are left out.

/// `shader!("lib/exp")`: the text of `shaders/lib/exp.wgsl`.
macro_rules! shader {
    ($($name:literal),+) => {{
        const TEXT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $($name),+, ".wgsl"));
        #[cfg(not(target_arch = "wasm32"))]
        {
            TEXT
        }
        #[cfg(target_arch = "wasm32")]
        {
            const WANTED: &str = if $crate::base::shader::is_for_pages(concat!($($name),+)) { TEXT } else { "" };
            const CODE: &[u8] = &$crate::base::shader::code::<{ $crate::base::shader::code_len(WANTED) }>(WANTED);
            const {
                match std::str::from_utf8(CODE) {
                    Ok(code) => code,
                    Err(_) => panic!("a comment ends where its line does"),
                }
            }
        }
    }};
}
pub(crate) use shader;

/// Whether a page may need the file of this name: its GPU has neither f64 nor i64.
#[cfg(target_arch = "wasm32")]
pub(crate) const fn is_for_pages(name: &str) -> bool {
    let name = name.as_bytes();
    let is_f64 = matches!(name, b"lib/double") || matches!(name.last_chunk(), Some(b"_f64"));
    !is_f64 && !matches!(name.last_chunk(), Some(b"_native"))
}

/// The length of [`code`].
#[cfg(any(test, target_arch = "wasm32"))]
pub(crate) const fn code_len(text: &str) -> usize {
    copy_code(text.as_bytes(), &mut [])
}

/// A text without comments and empty lines; `N` is its length.
#[cfg(any(test, target_arch = "wasm32"))]
pub(crate) const fn code<const N: usize>(text: &str) -> [u8; N] {
    let mut code = [0; N];
    copy_code(text.as_bytes(), &mut code);
    code
}

/// Copies what is no comment, as far as there is room, and says how much it is.
#[cfg(any(test, target_arch = "wasm32"))]
const fn copy_code(text: &[u8], to: &mut [u8]) -> usize {
    let (mut copied, mut at) = (0, 0);
    while at < text.len() {
        let start = at;
        // Of the line, up to a comment.
        let mut code = start;
        while at < text.len() && text[at] != b'\n' && !(text[at] == b'/' && at + 1 < text.len() && text[at + 1] == b'/')
        {
            at += 1;
            if text[at - 1] != b' ' {
                code = at;
            }
        }
        while at < text.len() && text[at] != b'\n' {
            at += 1;
        }
        at += 1;
        let mut from = start;
        while from <= code && code > start {
            if copied < to.len() {
                to[copied] = if from < code { text[from] } else { b'\n' };
            }
            copied += 1;
            from += 1;
        }
    }
    copied
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_empty_lines_are_left_out() {
        const TEXT: &str = "// a\n\nfn f() -> u32 { // b\n    // c\n    return 4u / 2u; // d // e\n}\n    \n// f";
        const CODE: [u8; code_len(TEXT)] = code(TEXT);
        assert_eq!(std::str::from_utf8(&CODE).unwrap(), "fn f() -> u32 {\n    return 4u / 2u;\n}\n");
        assert_eq!(code_len(""), 0);
    }
}
