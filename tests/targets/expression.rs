//! Any text as an expression: it is read or refused, and what is read is planned, derived and evaluated rightly.

use hadamard::{DType, Device, Error, Expr, Tensor, reference};

/// Texts with larger numbers in them than this, multiplied, may ask for more work than is worth waiting for.
const MOST_WORK: u64 = 2000;

pub(super) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let device = Device::cpu();
    let whole = |n: usize| (0..n).map(|i| i as f32 - 2.0).collect::<Vec<_>>();
    let tensor = |shape: &[usize]| Tensor::from_slice(&whole(shape.iter().product()), shape, &device).unwrap();
    let (a, b, c, s, x) = (tensor(&[3, 4]), tensor(&[1, 4]), tensor(&[4]), tensor(&[]), tensor(&[2, 3, 4]));
    let i = Tensor::from_slice(&[1_i32, -2, 3, i32::MIN], [4], &device).unwrap();
    let p = Tensor::from_slice(&[true, false, true, true], [4], &device).unwrap();
    let h = x.to_dtype(DType::F16).unwrap().permute(&[2, 0, 1]).unwrap();
    let j = Tensor::from_slice(&[1_i64, -1, 0, 1], [4], &device).unwrap();
    let names = [("a", &a), ("b", &b), ("c", &c), ("s", &s), ("x", &x), ("i", &i), ("j", &j), ("p", &p), ("h", &h)];
    let expr = match Expr::parse(&text, &names) {
        Ok(expr) => expr,
        Err(Error::Parse { text: shown, column, .. }) => {
            assert_eq!(shown.chars().count(), text.chars().count());
            assert!((1..=text.chars().count() + 1).contains(&column), "column {column}");
            return;
        }
        Err(other) => panic!("{other}"),
    };
    assert!(expr.error().is_none());
    let derived = if expr.dtype().is_float() { expr.sum(..).grad(&[&a, &h]).ok() } else { None };
    if work(&text) > MOST_WORK {
        return;
    }
    for expr in derived.iter().flatten().chain([&expr]) {
        expr.explain().unwrap_or_else(|error| panic!("{expr:?}: {error}"));
        // The elements of `i` are no indices of most dims.
        let comparison = match (expr.eval(), reference::eval(expr)) {
            (Err(Error::Index { .. }), Err(Error::Index { .. })) => continue,
            (got, want) => {
                let got = got.unwrap_or_else(|error| panic!("{expr:?}: {error}"));
                reference::compare(&got, &want.unwrap_or_else(|error| panic!("{expr:?}: {error}"))).unwrap()
            }
        };
        assert!(comparison.passed(), "{expr:?}: {comparison}");
    }
}

/// How much a text may ask for: the product of the whole numbers in it, to which a power adds much.
fn work(text: &str) -> u64 {
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let product = numbers.map(|digits| digits.parse().unwrap_or(u64::MAX).max(1)).fold(1, u64::saturating_mul);
    let powers = text.matches("**").count() + text.matches("pow").count();
    product.saturating_mul(1 + 100 * powers as u64).saturating_mul(1 + text.len() as u64 / 100)
}
