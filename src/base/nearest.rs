//! What somebody who wrote an unknown name may have meant.

/// The candidate most like `name`, if one is so much like it that a slip of the hand explains the difference.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    within((name.chars().count() / 3).max(1), name, candidates)
}

/// The candidate one edit away from `name`, if there is one.
pub(crate) fn slip<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    within(1, name, candidates)
}

fn within<'a>(most: usize, name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    // A long name costs its square, and is no slip.
    if length > 128 {
        return None;
    }
    let near = candidates.filter(|c| c.chars().take(length + most + 1).count().abs_diff(length) <= most);
    let (found, distance) = near.map(|c| (c, distance(name, c))).min_by_key(|&(_, d)| d)?;
    (distance <= most && distance < length).then_some(found)
}

/// How many letters to insert, drop, replace or swap with their neighbour to come from one name to the other.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    // Distances from the first i letters of `a`, for the last three i.
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let mut best = (last[j] + usize::from(a[i] != b[j])).min(row[j] + 1).min(last[j + 1] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_edits() {
        for (a, b, want) in [
            ("", "", 0),
            ("sum", "sum", 0),
            ("sun", "sum", 1),
            ("maxmum", "maximum", 1),
            ("smu", "sum", 1),
            ("abc", "", 3),
        ] {
            assert_eq!(distance(a, b), want, "{a} {b}");
            assert_eq!(distance(b, a), want, "{b} {a}");
        }
        assert_eq!(nearest("sigmod", ["sign", "sigmoid"].into_iter()), Some("sigmoid"));
        assert_eq!(nearest("nosuch", ["sum"].into_iter()), None);
    }
}
