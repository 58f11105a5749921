//! Any text as an equation over small operands, against loops over every index.

use std::collections::BTreeMap;

use hadamard::{Device, Tensor, einsum};

use super::Choices;

struct Operand {
    shape: Vec<usize>,
    values: Vec<f32>,
}

pub(super) fn run(data: &[u8]) {
    let mut choices = Choices(data);
    let operands: Vec<Operand> = (0..choices.below(6)).map(|_| operand(&mut choices)).collect();
    let equation = String::from_utf8_lossy(choices.0);
    let tensors: Vec<Tensor> =
        operands.iter().map(|x| Tensor::from_slice(&x.values, &x.shape[..], &Device::cpu()).unwrap()).collect();
    let expr = einsum(&equation, &tensors.iter().collect::<Vec<_>>());
    let want = naive(&equation, &operands);
    if expr.error().is_some() {
        assert!(want.is_none(), "{equation:?} was refused: {:?}", expr.error());
        return;
    }
    expr.explain().unwrap_or_else(|error| panic!("{equation:?}: {error}"));
    let got = expr.eval().unwrap_or_else(|error| panic!("{equation:?}: {error}"));
    if let Some((shape, values)) = want {
        assert_eq!(got.shape().dims(), shape, "{equation:?}");
        // Whole numbers below 2^24, and so their sums: no order of adding rounds.
        assert_eq!(got.to_vec::<f32>().unwrap(), values, "{equation:?}");
    }
}

fn operand(choices: &mut Choices) -> Operand {
    let shape: Vec<usize> = (0..choices.below(5)).map(|_| choices.pick(&[2, 3, 1, 2, 0, 4])).collect();
    let values = (0..shape.iter().product()).map(|i: usize| [1.0, -1.0, 2.0, 0.0, 1.0][i % 5]).collect();
    Operand { shape, values }
}

/// The shape and elements of the result, or `None` where the equation is wrong or says more than letters.
fn naive(equation: &str, operands: &[Operand]) -> Option<(Vec<usize>, Vec<f32>)> {
    let text: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = text.split_once("->")?;
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != operands.len() {
        return None;
    }
    // Each letter's size; 1 gives way.
    let mut sizes: BTreeMap<char, usize> = BTreeMap::new();
    for (term, operand) in terms.iter().zip(operands) {
        if term.chars().count() != operand.shape.len() || !term.chars().all(|c| c.is_ascii_alphabetic()) {
            return None;
        }
        for (i, (letter, &size)) in term.chars().zip(&operand.shape).enumerate() {
            // A diagonal is of equal sizes.
            if term.chars().zip(&operand.shape).take(i).any(|(other, &n)| other == letter && n != size) {
                return None;
            }
            let known = sizes.entry(letter).or_insert(size);
            if *known == 1 {
                *known = size;
            }
            if size != *known && size != 1 {
                return None;
            }
        }
    }
    // More letters than a tensor may have dims are refused, in one product or in all.
    if sizes.len() > hadamard::MAX_RANK {
        return None;
    }
    let out = right.chars().map(|c| sizes.get(&c).copied()).collect::<Option<Vec<usize>>>()?;
    if right.chars().enumerate().any(|(i, c)| right.chars().take(i).any(|d| c == d)) {
        return None;
    }
    let mut values = vec![0.0; out.iter().product()];
    let all: usize = sizes.values().product();
    for number in 0..all {
        let mut rest = number;
        let index: BTreeMap<char, usize> = sizes
            .iter()
            .map(|(&letter, &size)| {
                let i = rest % size;
                rest /= size;
                (letter, i)
            })
            .collect();
        let at = |term: &str, shape: &[usize]| {
            term.chars().zip(shape).fold(0, |at, (c, &n)| at * n + if n == 1 { 0 } else { index[&c] })
        };
        let product: f32 = terms.iter().zip(operands).map(|(term, x)| x.values[at(term, &x.shape)]).product();
        values[at(right, &out)] += product;
    }
    Some((out, values))
}
