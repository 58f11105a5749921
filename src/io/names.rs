//! Names within files, as messages tell them.

use crate::base::nearest::nearest;

/// As many names are told at most.
const TOLD: usize = 20;
/// As many are compared at most with one that is not there: a file may have millions.
const COMPARED: usize = 10_000;

/// The names there are.
pub(super) fn list(names: &[String]) -> String {
    match names.len() {
        0 => "there are none".to_owned(),
        1..=TOLD => format!("there are: {}", names.join(", ")),
        n => format!("there are: {} and {} more", names[..TOLD].join(", "), n - TOLD),
    }
}

/// What is said of a name that is not there: which one may have been meant, and what there is.
pub(super) fn unknown(what: &str, name: &str, names: &[String]) -> String {
    let candidates = || names.iter().take(COMPARED).map(String::as_str);
    // Or its last part alone was given.
    let ends =
        |c: &&str| c.strip_suffix(name).is_some_and(|before| !name.is_empty() && before.ends_with(['.', '/', ':']));
    let near: Vec<&str> =
        nearest(name, candidates()).map_or_else(|| candidates().filter(ends).take(3).collect(), |near| vec![near]);
    let hint = match near.len() {
        0 => String::new(),
        _ => format!(", did you mean '{}'?", near.join("' or '")),
    };
    format!("no {what} is called '{name}'{hint} ({})", list(names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_told() {
        let names = ["model.layers.0.weight", "model.layers.0.bias", "lm_head"].map(ToOwned::to_owned);
        for (name, words) in [
            ("model.layer.0.weight", "did you mean 'model.layers.0.weight'? (there are: model"),
            ("lmhead", "did you mean 'lm_head'?"),
            ("bias", "did you mean 'model.layers.0.bias'?"),
            ("nosuch", "'nosuch' (there are: "),
            ("", "'' (there are: "),
        ] {
            assert!(unknown("tensor", name, &names).contains(words), "{}", unknown("tensor", name, &names));
        }
        let many: Vec<String> = (0..30).map(|i| format!("t{i}")).collect();
        assert!(list(&many).ends_with("t19 and 10 more"));
        assert_eq!(unknown("array", "x", &[]), "no array is called 'x' (there are none)");
    }
}
