//! Expressions and gradients against PyTorch's answers, on every device; and the reference itself against them.
//!
//! See `golden/README.md` for what the answers are and how they are made.
#![cfg(feature = "io")]

mod devices;

use std::path::Path;

use devices::{failures_on_each, note};
use hadamard::{DType, Device, Element, Expr, Shape, Tensor, eval_all, reference};
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

fn read(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rows(name: &str) -> Vec<Value> {
    serde_json::from_slice(&read(name)).unwrap()
}

fn dtype_and_shape(value: &Value) -> (DType, Shape) {
    let sizes = value[1].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize);
    (value[0].as_str().unwrap().parse().unwrap(), sizes.collect())
}

/// An array of the file, uploaded as it is.
fn upload(file: &SafeTensors<'_>, name: &str, device: &Device) -> Tensor {
    fn of<T: Element>(bytes: &[u8], shape: &[usize], device: &Device) -> Tensor {
        Tensor::from_slice(&T::from_bytes(bytes), shape, device).unwrap()
    }
    let view = file.tensor(name).unwrap();
    let of = match view.dtype() {
        Dtype::BOOL => of::<bool>,
        Dtype::U8 => of::<u8>,
        Dtype::I8 => of::<i8>,
        Dtype::I16 => of::<i16>,
        Dtype::I32 => of::<i32>,
        Dtype::I64 => of::<i64>,
        Dtype::U16 => of::<u16>,
        Dtype::U32 => of::<u32>,
        Dtype::U64 => of::<u64>,
        Dtype::F16 => of::<f16>,
        Dtype::BF16 => of::<bf16>,
        Dtype::F32 => of::<f32>,
        Dtype::F64 => of::<f64>,
        other => panic!("{name}: {other:?}"),
    };
    of(view.data(), view.shape(), device)
}

/// The elements as f64, whatever the dtype. Those of i64 and u64, of which f64 does not hold all, in two: high and low
/// words.
fn values(tensor: &Tensor) -> Vec<f64> {
    fn of<T: Element>(tensor: &Tensor) -> Vec<f64> {
        tensor.to_vec::<T>().unwrap().into_iter().map(T::to_f64).collect()
    }
    match tensor.dtype() {
        DType::Bool => of::<bool>(tensor),
        DType::U8 => of::<u8>(tensor),
        DType::I8 => of::<i8>(tensor),
        DType::I16 => of::<i16>(tensor),
        DType::I32 => of::<i32>(tensor),
        DType::I64 => tensor.to_vec::<i64>().unwrap().into_iter().flat_map(words).collect(),
        DType::U16 => of::<u16>(tensor),
        DType::U32 => of::<u32>(tensor),
        DType::U64 => tensor.to_vec::<u64>().unwrap().into_iter().flat_map(|x| words(x as i64)).collect(),
        DType::F16 => of::<f16>(tensor),
        DType::BF16 => of::<bf16>(tensor),
        DType::F32 => of::<f32>(tensor),
        DType::F64 => of::<f64>(tensor),
    }
}

fn words(x: i64) -> [f64; 2] {
    [(x >> 32) as f64, (x & 0xffff_ffff) as f64]
}

/// The first element outside the stored tolerance: its number, what was computed and what was wanted.
fn first_mismatch(got: &[f64], want: &[f64], [atol, rtol]: [f64; 2]) -> Option<(usize, f64, f64)> {
    let fits = |got: f64, want: f64| match (got.is_nan(), want.is_nan()) {
        (true, true) => true,
        (false, false) if got.is_infinite() || want.is_infinite() => got == want,
        (false, false) => (got - want).abs() <= atol + rtol * want.abs(),
        _ => false,
    };
    let at = got.iter().zip(want).position(|(&got, &want)| !fits(got, want))?;
    Some((at, got[at], want[at]))
}

/// The inputs of a row, by name.
fn inputs(row: &Value, file: &SafeTensors<'_>, device: &Device) -> Vec<(String, Tensor)> {
    let names = row["inputs"].as_object().unwrap().keys();
    names.map(|name| (name.clone(), upload(file, &format!("{}.{name}", row["id"]), device))).collect()
}

/// A row's expression.
fn parse(row: &Value, file: &SafeTensors<'_>, device: &Device) -> hadamard::Result<Expr> {
    let tensors = inputs(row, file, device);
    let names: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    Expr::parse(row["expr"].as_str().unwrap(), &names)
}

/// Whether a device makes zero of f32s below the smallest normal one.
fn flushes(device: &Device) -> bool {
    let tiny = Tensor::from_slice(&[1e-40_f32], [1], device).unwrap();
    (&tiny * 2.0).eval().unwrap().item::<f32>().unwrap() == 0.0
}

fn has_subnormals(row: &Value, file: &SafeTensors<'_>) -> bool {
    let subnormal = |x: &f64| *x != 0.0 && x.abs() < f64::from(f32::MIN_POSITIVE);
    inputs(row, file, &Device::cpu()).iter().any(|(_, tensor)| values(tensor).iter().any(subnormal))
}

/// What is wrong with a row by the reference, which allows for flushed subnormals and agrees with PyTorch otherwise.
fn judge_by_reference(row: &Value, file: &SafeTensors<'_>, device: &Device) -> Result<(), String> {
    let compare = || {
        let expr = parse(row, file, device)?;
        reference::compare(&expr.eval()?, &reference::eval(&expr)?)
    };
    let comparison = compare().map_err(|error| format!("{}: {error}", row["expr"]))?;
    if comparison.passed() { Ok(()) } else { Err(format!("{}: {}: {comparison}", row["id"], row["expr"])) }
}

/// What is wrong with a row's answer, if anything is. `answer` evaluates the expression and says what it found.
fn judge(
    row: &Value,
    file: &SafeTensors<'_>,
    device: &Device,
    answer: impl Fn(&Expr) -> hadamard::Result<(DType, Shape, Vec<f64>)>,
) -> Result<(), String> {
    let (id, text) = (&row["id"], row["expr"].as_str().unwrap());
    let got = parse(row, file, device).and_then(|expr| answer(&expr));
    let shown = || format!("{id}: {text} with {}", row["inputs"]);
    if row.get("error").is_some() {
        return got.map_or(Ok(()), |_| Err(format!("{}: PyTorch refuses this", shown())));
    }
    let (dtype, shape, got) = got.map_err(|error| format!("{}: {error}", shown()))?;
    let wanted = dtype_and_shape(&row["output"]);
    if (dtype, &shape) != (wanted.0, &wanted.1) {
        return Err(format!("{}: {dtype}{shape}, want {}{}", shown(), wanted.0, wanted.1));
    }
    let want = values(&upload(file, &format!("{id}.="), &Device::cpu()));
    let tol = [0, 1].map(|i| row["tol"][i].as_f64().unwrap());
    match first_mismatch(&got, &want, tol) {
        None => Ok(()),
        Some((at, got, want)) => Err(format!("{}: element {at} is {got:e}, want {want:e} within {tol:?}", shown())),
    }
}

fn needs_f64(row: &Value) -> bool {
    let inputs = row["inputs"].as_object().unwrap();
    inputs.values().chain(row.get("output")).any(|x| x[0] == "f64")
}

#[test]
fn expressions_are_what_pytorch_computes() {
    let bytes = read("expressions.safetensors");
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let rows = rows("expressions.json");
    assert!(rows.len() > 600);
    let failures = failures_on_each(|device| {
        let mut failures = Vec::new();
        let f64 = device.info().f64;
        let flushes = flushes(device);
        let mut skipped = 0;
        for row in &rows {
            if needs_f64(row) && !f64 {
                skipped += 1;
                continue;
            }
            let by_reference = flushes && row.get("error").is_none() && has_subnormals(row, &file);
            let outcome = if by_reference {
                judge_by_reference(row, &file, device)
            } else {
                judge(row, &file, device, answer_of_device)
            };
            if let Err(message) = outcome {
                failures.push(format!("{device}: {message}"));
            }
        }
        note(&format!("{device}: {} of PyTorch's answers, {skipped} skipped for want of f64", rows.len() - skipped));
        failures
    });
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// What the device of an expression computes.
fn answer_of_device(expr: &Expr) -> hadamard::Result<(DType, Shape, Vec<f64>)> {
    let x = expr.eval()?;
    // A GPU reports an index out of range once it is waited for.
    x.device().synchronize()?;
    Ok((x.dtype(), x.shape().clone(), values(&x)))
}

/// What the reference computes, rounded to the dtype.
fn answer_of_reference(expr: &Expr) -> hadamard::Result<(DType, Shape, Vec<f64>)> {
    let want = reference::eval(expr)?;
    let round = |v: f64| match want.dtype {
        DType::F32 => vec![f64::from(v as f32)],
        DType::F16 => vec![f16::from_f64(v).to_f64()],
        DType::BF16 => vec![bf16::from_f64(v).to_f64()],
        // The reference has a u64 as the i64 of the same bits.
        DType::I64 | DType::U64 => words(v as i64).to_vec(),
        DType::Bool | DType::U8 | DType::I8 | DType::I16 | DType::I32 | DType::U16 | DType::U32 | DType::F64 => vec![v],
    };
    Ok((want.dtype, want.shape.clone(), want.values.iter().flat_map(|&v| round(v)).collect()))
}

/// The reference is a program, too, and may be wrong.
#[test]
fn the_reference_is_what_pytorch_computes() {
    for (name, rows) in [
        ("expressions", rows("expressions.json")),
        ("wide", wide_rows()),
        ("indexing", rows("indexing.json")),
        ("unsigned", rows("unsigned.json")),
        ("scans", rows_with("expr", "scans.json")),
        ("segments", rows_with("expr", "segments.json")),
    ] {
        let bytes = read(&format!("{name}.safetensors"));
        let file = SafeTensors::deserialize(&bytes).unwrap();
        // It computes in f64, which does not tell large integers, or their products, apart.
        let large = |tensor: &Tensor| {
            matches!(tensor.dtype(), DType::I64 | DType::U64) && values(tensor).chunks(2).any(|x| x[0].abs() > 1.0)
        };
        let told_apart = |row: &&Value| {
            let answer = row.get("output").map(|_| upload(&file, &format!("{}.=", row["id"]), &Device::cpu()));
            let inputs = inputs(row, &file, &Device::cpu());
            !inputs.iter().map(|(_, tensor)| tensor).chain(&answer).any(large)
        };
        let wrong = |row| judge(row, &file, &Device::cpu(), answer_of_reference).err();
        let failures: Vec<String> = rows.iter().filter(told_apart).filter_map(wrong).collect();
        assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    }
}

/// Rows of `wide.json` of exact values.
fn wide_rows() -> Vec<Value> {
    let mut all = rows("wide.json");
    all.retain(|row| row["kind"] == "value");
    all
}

/// Rows of a file that have a value, by `expr`, or gradients, by `loss`.
fn rows_with(kind: &str, name: &str) -> Vec<Value> {
    let mut all = rows(name);
    all.retain(|row| row.get(kind).is_some());
    all
}

#[test]
fn every_operation_is_what_pytorch_computes() {
    for (name, rows) in [
        ("wide", wide_rows()),
        ("indexing", rows("indexing.json")),
        ("unsigned", rows("unsigned.json")),
        ("order", rows("order.json")),
        ("losses", rows_with("expr", "losses.json")),
        ("scans", rows_with("expr", "scans.json")),
        ("segments", rows_with("expr", "segments.json")),
    ] {
        let bytes = read(&format!("{name}.safetensors"));
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let failures = failures_on_each(|device| {
            let (refused, found): (Vec<String>, Vec<String>) = rows
                .iter()
                .filter_map(|row| judge(row, &file, device, answer_of_device).err())
                .map(|error| format!("{device}: {error}"))
                .partition(|error| !device.info().f64 && error.contains("does not support arithmetic in f64"));
            note(&format!("{device}: {} of PyTorch's {name} answers", rows.len() - refused.len()));
            found
        });
        assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    }
}

/// Expressions that a compiler may take for something simpler, over zeros, infinities, NaN and numbers so far apart that
/// sums round.
#[test]
fn arithmetic_is_that_of_ieee_754() {
    let bytes = read("wide.safetensors");
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let all = rows("wide.json");
    let ieee: Vec<&Value> = all.iter().filter(|row| row["kind"] == "ieee").collect();
    assert_eq!(ieee.len(), 151);
    let failures = failures_on_each(|device| {
        let wrong = |row: &&Value| judge(row, &file, device, answer_of_device).err();
        ieee.iter().filter_map(wrong).map(|error| format!("{device}: {error}")).collect()
    });
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// What is wrong with a row's loss or one of its gradients, evaluated together.
fn judge_gradients(row: &Value, file: &SafeTensors<'_>, device: &Device) -> Result<(), String> {
    let (id, text) = (&row["id"], row["loss"].as_str().unwrap());
    let tensors = inputs(row, file, device);
    let names: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let wrt: Vec<&str> = row["wrt"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let of = |name: &str| names.iter().find(|n| n.0 == name).unwrap().1;
    let evaluate = || {
        let loss = Expr::parse(text, &names)?;
        let mut exprs = loss.grad(&wrt.iter().map(|name| of(name)).collect::<Vec<_>>())?;
        exprs.push(loss);
        eval_all(&exprs)
    };
    let mut got = evaluate().map_err(|error| format!("{id}: {text}: {error}"))?;
    let loss = got.pop().unwrap();
    let mut answers = vec![("loss".to_owned(), loss, [1e-5, 1e-4])];
    for ((name, grad), tol) in wrt.iter().zip(got).zip(row["tol"].as_array().unwrap()) {
        assert_eq!((grad.shape(), grad.dtype()), (of(name).shape(), of(name).dtype()), "{id}: {text}");
        answers.push((format!("grad.{name}"), grad, [0, 1].map(|i| tol[i].as_f64().unwrap())));
    }
    for (name, got, tol) in answers {
        let want = upload(file, &format!("{id}.{name}"), &Device::cpu());
        assert_eq!(got.shape(), want.shape(), "{id}: {text}: {name}");
        if let Some((at, got, want)) = first_mismatch(&values(&got), &values(&want), tol) {
            return Err(format!("{id}: {text}: {name}: element {at} is {got:e}, want {want:e} within {tol:?}"));
        }
    }
    Ok(())
}

#[test]
fn gradients_are_what_pytorch_computes() {
    for (name, rows, n) in [
        ("gradients", rows("gradients.json"), 15),
        ("losses", rows_with("loss", "losses.json"), 22),
        ("scans", rows_with("loss", "scans.json"), 16),
        ("segments", rows_with("loss", "segments.json"), 23),
    ] {
        let bytes = read(&format!("{name}.safetensors"));
        let file = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(rows.len(), n, "{name}");
        let failures = failures_on_each(|device| {
            let wrong = |row| judge_gradients(row, &file, device).err();
            rows.iter().filter_map(wrong).map(|message| format!("{device}: {message}")).collect()
        });
        assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    }
}

/// Elements of a row of edges.json.
fn elements(values: &Value) -> Vec<f64> {
    let element = |v: &Value| v.as_f64().or_else(|| v.as_str()?.parse().ok()).unwrap_or_else(|| panic!("{v}"));
    values.as_array().unwrap().iter().map(element).collect()
}

/// What is wrong with the gradients of a row of edges.json, computed in `dtype`: where PyTorch has a number, so have we.
fn judge_edges(row: &Value, dtype: DType, device: &Device) -> Vec<String> {
    let text = row["expr"].as_str().unwrap();
    let shape: Shape = row["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    let upload = |values: &Value| {
        let values = Tensor::from_slice(&elements(values), shape.clone(), &Device::cpu()).unwrap();
        values.to_dtype(dtype).and_then(|t| t.to_device(device)).unwrap()
    };
    let inputs = row["inputs"].as_object().unwrap();
    let tensors: Vec<(&str, Tensor)> = inputs.iter().map(|(name, v)| (name.as_str(), upload(v))).collect();
    let names: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, tensor)| (*name, tensor)).collect();
    let wrt: Vec<&Tensor> = tensors.iter().map(|(_, tensor)| tensor).collect();
    let grads = Expr::parse(text, &names).and_then(|expr| eval_all(&expr.sum(..).grad(&wrt)?));
    let grads = match grads {
        Ok(grads) => grads,
        Err(error) => return vec![format!("{device}: {dtype}: {text}: {error}")],
    };
    let mut failures = Vec::new();
    for ((name, _), grad) in tensors.iter().zip(grads) {
        for (i, (got, want)) in values(&grad).into_iter().zip(elements(&row["grads"][name])).enumerate() {
            let is_same = got == want || (got - want).abs() <= 1e-5 * want.abs().max(1.0);
            if !want.is_nan() && !is_same {
                let at: Vec<f64> = inputs.values().map(|v| elements(v)[i]).collect();
                failures.push(format!(
                    "{device}: {dtype}: {text} by {name}, element {i} at {at:?}: {got:e}, want {want:e}"
                ));
            }
        }
    }
    failures
}

#[test]
fn gradients_at_edges_are_pytorchs() {
    let rows = rows("edges.json");
    assert_eq!(rows.len(), 143);
    let failures = failures_on_each(|device| {
        let dtypes = if device.is_gpu() { &[DType::F32][..] } else { &[DType::F32, DType::F64] };
        dtypes.iter().flat_map(|&dtype| rows.iter().flat_map(move |row| judge_edges(row, dtype, device))).collect()
    });
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn operators_promote_as_pytorch_does() {
    let device = Device::cpu();
    let ones = |name: &Value, shape: &[usize]| {
        let values = vec![1_u8; shape.iter().product()];
        Tensor::from_slice(&values, shape, &device).unwrap().cast(name.as_str().unwrap().parse().unwrap())
    };
    let rows = rows("promotion.json");
    assert_eq!(rows.len(), 13 * 13 * 2 + 13 * 2);
    for row in rows {
        let a = ones(&row[1], &[2]);
        let product = match row[0].as_str().unwrap() {
            "tensor*tensor" => a * ones(&row[2], &[2]),
            "tensor*0d" => a * ones(&row[2], &[]),
            "tensor*2" => a * 2,
            "tensor*0.5" => a * 0.5,
            other => panic!("{other}"),
        };
        let Some(want) = row[3].as_str() else {
            assert!(product.eval().unwrap_err().to_string().contains("promoted to a common one"), "{row}");
            continue;
        };
        assert_eq!(product.dtype().name(), want, "{row}");
        assert_eq!(product.eval().unwrap().dtype(), product.dtype(), "{row}");
    }
}

#[test]
fn a_wrong_element_is_noticed() {
    let want = [1.0, f64::NAN, f64::INFINITY, 0.0];
    let tol = [1e-6, 1e-6];
    assert_eq!(first_mismatch(&want, &want, tol), None);
    for (at, wrong) in [(0, 1.000_01), (0, f64::NAN), (1, 1.0), (2, f64::NEG_INFINITY), (2, 3e38), (3, 1e-5)] {
        let mut got = want;
        got[at] = wrong;
        assert!(first_mismatch(&got, &want, tol).is_some_and(|(index, ..)| index == at), "{wrong} at {at}");
    }
}

/// The passes are counted for WebGPU's default limits, more bindings than any of these needs.
#[test]
fn an_elementwise_expression_is_one_kernel() {
    let bytes = read("expressions.safetensors");
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut counted = 0;
    for row in rows("expressions.json") {
        let text = row["expr"].as_str().unwrap();
        let reduces = ["sum(", "mean(", "amax(", "amin(", "einsum("].iter().any(|name| text.contains(name));
        if reduces || row.get("error").is_some() {
            continue;
        }
        let expr = parse(&row, &file, &Device::cpu()).unwrap();
        let explanation = expr.explain().unwrap();
        assert_eq!(explanation.passes.len(), usize::from(expr.shape().numel() > 0), "{text}\n{explanation}");
        counted += 1;
    }
    assert!(counted > 300, "{counted}");
}
