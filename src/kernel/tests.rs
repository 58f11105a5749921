//! Shaders without a GPU: every kernel is parsed and validated, its loops end, and its uniforms lie where both
//! sides say.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{LazyLock, Mutex};

use naga::valid::{Capabilities, ValidationFlags, Validator};

use super::plan::Launch;
use super::plan::tests::{caps, plan_for, tensor};
use super::spec::HEAD_WORDS;
use super::tuning::Tuning;
use super::uniforms::{Dim, Head};
use super::{Caps, Spec};
use crate::{BinaryOp, DType, Expr, ReduceOp, Tensor, UnaryOp, einsum};

/// The largest device, WebGPU's defaults, wgpu's smallest, and a software adapter. The first and the last have i64, the last
/// has subgroups.
fn all_caps() -> [Caps; 4] {
    let software = Tuning::software();
    let discrete = Tuning::discrete();
    let largest = Caps { i64: true, ..caps(100, discrete) };
    [largest, Caps::webgpu(), caps(4, discrete), Caps { i64: true, subgroup: 8, ..caps(8, software) }]
}

fn module_of(source: &str) -> (naga::Module, naga::valid::ModuleInfo) {
    let module =
        naga::front::wgsl::parse_str(source).unwrap_or_else(|e| panic!("{}\n{source}", e.emit_to_string(source)));
    let info = Validator::new(
        ValidationFlags::all(),
        Capabilities::FLOAT64 | Capabilities::SHADER_INT64 | Capabilities::SUBGROUP,
    )
    .validate(&module);
    (module, info.unwrap_or_else(|e| panic!("{}\n{source}", e.emit_to_string(source))))
}

/// The lines with loops for which the line above does not say why they end.
fn unexplained_loops(wgsl: &str) -> Vec<usize> {
    assert!(!wgsl.contains("/*"), "comments begin with two slashes");
    let is_loop = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| ["for", "while", "loop"].contains(&word))
    };
    let lines: Vec<&str> = wgsl.lines().collect();
    let explained = |i: usize| i > 0 && lines[i - 1].trim_start().starts_with("// Ends: ");
    (0..lines.len()).filter(|&i| is_loop(lines[i]) && !explained(i)).map(|i| i + 1).collect()
}

/// Calls `f` with the name and the text of each file of `shaders/`.
fn each_shader(folder: &Path, f: &mut impl FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            each_shader(&path, f);
        } else {
            f(&path, &std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// Shaders are compiled without wgpu's guard against loops that never end: see `gpu/pipeline.rs`.
#[test]
fn every_loop_says_why_it_ends() {
    let mut files = 0;
    each_shader(&Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders"), &mut |path, wgsl| {
        let found = unexplained_loops(wgsl);
        assert!(found.is_empty(), "{}, lines {found:?}: no `// Ends: ` above the loop", path.display());
        files += 1;
    });
    assert!(files > 20, "only {files} shaders");
    let planted =
        "// Ends: i counts to 4.\nfor (var i = 0; i < 4; i++) {\n    // not a loop\n    while (true) {}\n}\nloop{}";
    assert_eq!(unexplained_loops(planted), [4, 6]);
}

/// Whether a shader asks for `trunc` of an f64, which lavapipe takes to the nearest on processors without AVX-512.
fn truncates_doubles(module: &naga::Module, info: &naga::valid::ModuleInfo) -> bool {
    let is_found = |function: &naga::Function, info: &naga::valid::FunctionInfo| {
        function.expressions.iter().any(|(_, expression)| {
            let naga::Expression::Math { fun: naga::MathFunction::Trunc, arg, .. } = *expression else { return false };
            info[arg].ty.inner_with(&module.types).scalar() == Some(naga::Scalar::F64)
        })
    };
    let mut entries = module.entry_points.iter().enumerate();
    module.functions.iter().any(|(handle, function)| is_found(function, &info[handle]))
        || entries.any(|(i, entry)| is_found(&entry.function, info.get_entry_point(i)))
}

#[test]
fn truncated_doubles_are_seen() {
    let truncates = |dtype: &str| {
        let used = format!("fn f(x: {dtype}) -> {dtype} {{ return trunc(x); }}");
        let entry = format!("@compute @workgroup_size(1) fn g() {{ let x = {dtype}(1.5); let y = trunc(x); }}");
        [used, entry].map(|source| {
            let (module, info) = module_of(&source);
            truncates_doubles(&module, &info)
        })
    };
    assert_eq!([truncates("f32"), truncates("f64")], [[false; 2], [true; 2]]);
}

/// The bytes of a valid shader's uniforms. Many expressions have kernels in common, and each is looked at once.
fn uniform_bytes(source: String) -> usize {
    static SEEN: LazyLock<Mutex<HashMap<String, usize>>> = LazyLock::new(Mutex::default);
    if let Some(&bytes) = SEEN.lock().unwrap().get(&source) {
        return bytes;
    }
    let (module, info) = module_of(&source);
    assert!(!truncates_doubles(&module, &info), "trunc of an f64\n{source}");
    let uniforms = module.global_variables.iter().find(|(_, v)| v.space == naga::AddressSpace::Uniform).unwrap().1;
    let bytes = module.types[uniforms.ty].inner.size(module.to_ctx()) as usize;
    SEEN.lock().unwrap().insert(source, bytes);
    bytes
}

fn check(expr: &Expr) {
    for caps in all_caps() {
        let plan = plan_for(expr, &caps);
        for launch in &plan.launches {
            assert!(launch.spec.bindings.len() <= caps.max_bindings, "{expr:?}");
            assert_eq!(launch.uniforms.len(), launch.spec.uniform_words());
            assert!(unexplained_loops(&super::prelude(&launch.spec)).is_empty(), "{expr:?}");
            let bytes = uniform_bytes(super::source(&launch.spec));
            assert_eq!(bytes, launch.uniforms.len() * 4, "the shader's uniforms and the host's");
        }
    }
}

#[test]
fn every_operation_makes_a_valid_shader() {
    for dtype in DType::ALL {
        for shape in [&[5, 7][..], &[4, 8], &[]] {
            let x = tensor(shape, dtype);
            for op in UnaryOp::ALL {
                let expr = x.unary(op);
                if expr.error().is_none() {
                    check(&expr);
                }
            }
            for op in BinaryOp::ALL {
                let expr = x.binary(op, x.broadcast_to(shape).unwrap());
                if expr.error().is_none() {
                    check(&expr);
                }
            }
            for op in ReduceOp::ALL {
                for dims in [&[0_isize][..], &[-1], &[]] {
                    let expr = x.reduce(op, dims);
                    if expr.error().is_none() {
                        check(&expr);
                    }
                }
            }
            for to in DType::ALL {
                check(&x.cast(to));
            }
        }
    }
}

/// Blocks, merges and digits of either width, of elements, of places, and of both.
#[test]
fn sorts_make_valid_shaders() {
    for dtype in DType::ALL {
        for n in [700, 1 << 16, if dtype.size() == 8 { 1 << 22 } else { 7 }] {
            for descending in [false, true] {
                let (values, places) = tensor(&[n], dtype).sort(0, descending);
                check(&values);
                check(&places);
                check(&(places + values.cast(DType::I64)));
            }
        }
    }
}

/// Their first, middle and last levels, in every dtype that is folded in.
#[test]
fn segments_make_valid_shaders() {
    let index = tensor(&[9000], DType::I64);
    for dtype in [DType::I32, DType::I64, DType::F32, DType::F64, DType::F16] {
        let (x, values) = (tensor(&[700, 5], dtype), tensor(&[9000, 5], dtype));
        for op in [ReduceOp::Sum, ReduceOp::Prod, ReduceOp::Amax, ReduceOp::Amin] {
            check(&x.index_reduce(0, &index, &values, op, true));
        }
        check(&x.index_copy(0, &index, &values));
    }
}

/// Where an adapter cannot compute in f64, its type is not in any shader that only moves and converts.
#[test]
fn f64_is_moved_and_converted_without_its_type() {
    let x = tensor(&[5, 8], DType::F64);
    // A cast between u64 and f64 is arithmetic in f64.
    let every = || DType::ALL.into_iter().filter(|&dtype| dtype != DType::U64);
    let mut exprs: Vec<Expr> = every().map(|to| x.cast(to)).collect();
    exprs.extend(every().map(|from| tensor(&[5, 8], from).cast(DType::F64)));
    exprs.extend(every().map(|to| Expr::select(tensor(&[8], DType::Bool), x.cast(to).cast(DType::F64), 0.5).cast(to)));
    exprs.push(tensor(&[700, 5], DType::F64).index_copy(0, tensor(&[900], DType::I64), tensor(&[900, 5], DType::F64)));
    exprs.extend([x.cast(DType::F32).sum(0).cast(DType::F64), x.any(1), x.transpose(0, 1).unwrap().into()]);
    let mut kernels = 0;
    for (expr, caps) in exprs.iter().flat_map(|expr| all_caps().map(|caps| (expr, Caps { f64: false, ..caps }))) {
        for launch in plan_for(expr, &caps).launches {
            let source = super::source(&launch.spec);
            let (module, _) = module_of(&source);
            let is_f64 = |scalar: &naga::Scalar| scalar.kind == naga::ScalarKind::Float && scalar.width == 8;
            let has_f64 = module.types.iter().any(|(_, t)| match &t.inner {
                naga::TypeInner::Scalar(scalar) | naga::TypeInner::Vector { scalar, .. } => is_f64(scalar),
                _ => false,
            });
            assert!(!has_f64, "{expr:?}\n{source}");
            kernels += 1;
        }
    }
    assert!(kernels >= exprs.len() * 4, "only {kernels} kernels");
}

/// Elsewhere there is nothing of 64 bits, which a driver would refuse. Words fetched in pairs are another matter.
#[test]
fn i64_is_native_exactly_where_a_device_has_it() {
    let x = tensor(&[62, 48], DType::I64);
    let row = tensor(&[48], DType::I64);
    let others = [DType::Bool, DType::I16, DType::I32, DType::F16, DType::F32];
    let mut exprs: Vec<Expr> = others.map(|to| x.cast(to)).into();
    exprs.extend(others.map(|from| tensor(&[7], from).cast(DType::I64)));
    exprs.extend([&x * &row, x.floor_divide(&row), x.pow(3), x.sum(0), x.prod(1), x.amax(..), x.gt(&row)]);
    exprs.extend([
        x.narrow(1, 1, 2).unwrap().amin(1),
        Expr::select(tensor(&[48], DType::Bool), &x, 5),
        x.gather(1, &x),
    ]);
    let unpaired = |caps: Caps| Caps { tuning: Tuning { pairs: false, ..caps.tuning }, ..caps };
    for (expr, caps) in exprs.iter().flat_map(|expr| all_caps().map(|caps| (expr, unpaired(caps)))) {
        let long = |launch: &Launch| {
            let source = super::source(&launch.spec);
            let types = module_of(&source).0.types;
            let is_long = |scalar: naga::Scalar| scalar.width == 8 && scalar.kind != naga::ScalarKind::Float;
            types.iter().any(|(_, t)| t.inner.scalar().is_some_and(is_long))
        };
        let found: Vec<bool> = plan_for(expr, &caps).launches.iter().map(long).collect();
        assert!(found.iter().all(|found| *found == caps.i64), "{expr:?}: {found:?} on a device with i64: {}", caps.i64);
    }
}

#[test]
fn views_of_every_kind_make_valid_shaders() {
    let x = tensor(&[6, 10, 12], DType::F16);
    let e = Expr::from(&x) + 1;
    check(&e.permute(&[2, 0, 1]));
    check(&e.permute(&[2, 0, 1]).reshape([720]));
    check(&e.permute(&[2, 0, 1]).reshape([60, 12]).transpose(0, 1).reshape([8, 90]));
    check(&e.slice(1, 1, 10, 3).flip(2));
    check(&e.permute(&[2, 0, 1]).reshape([60, 12]).sum(0));
    check(&(e.amax(1).keepdim() * &e).exp());
}

#[test]
fn matrix_products_make_valid_shaders() {
    for dtype in [DType::F16, DType::F32, DType::F64] {
        for [m, n, k] in [[20, 24, 28], [17, 19, 23], [2048, 2048, 16]] {
            for (equation, a, b) in [
                ("ik,kj->ij", [m, k], [k, n]),
                ("ik,jk->ij", [m, k], [n, k]),
                ("ki,kj->ji", [k, m], [k, n]),
                ("ki,jk->ij", [k, m], [n, k]),
            ] {
                check(&einsum(equation, &[tensor(&a, dtype), tensor(&b, dtype)]));
            }
        }
        let batch = einsum("abik,bkj->ijab", &[tensor(&[2, 3, 20, 16], dtype), tensor(&[3, 16, 18], dtype)]);
        check(&(batch + 1));
    }
}

/// Otherwise the same kernel would be compiled twice.
#[test]
fn the_key_of_a_kernel_holds_only_what_alters_its_text() {
    let mut specs: HashMap<String, Spec> = HashMap::new();
    for dtype in [DType::F32, DType::F16, DType::U8, DType::I32, DType::I64, DType::F64] {
        for [m, n] in [[4, 8], [5, 7], [62, 8], [64, 48], [65, 47], [4096, 64], [100_000, 4]] {
            let [x, row, column, one] = [&[m, n][..], &[n], &[m, 1], &[1]].map(|shape| tensor(shape, dtype));
            let part = x.narrow(1, 1, 2).unwrap();
            let turned = x.transpose(0, 1).unwrap();
            let exprs = [
                &x * 2,
                &x * &row,
                &x * &column + &one,
                &part + &one,
                &turned * 2,
                Expr::from(&turned).reshape([m * n]) + 1,
                x.sum(0) * &row,
                x.sum(1).keepdim() + &column,
                x.amax(..),
                (&x * &column).sum(0),
                turned.prod(0) + 1,
                part.sum(..) * 2,
                einsum("ij,kj->ik", &[x.narrow(0, 0, 4).unwrap(), x.clone()]),
                einsum("ji,jk->ik", &[x.clone(), x.clone()]),
            ];
            for (expr, caps) in exprs.iter().flat_map(|expr| all_caps().map(|caps| (expr, caps))) {
                for launch in plan_for(expr, &caps).launches {
                    let spec = specs.entry(super::source(&launch.spec)).or_insert_with(|| launch.spec.clone());
                    assert_eq!(*spec, launch.spec, "two keys for one text: {expr:?}");
                }
            }
        }
    }
    assert!(specs.len() > 300, "only {} kernels", specs.len());
}

#[test]
fn an_expression_with_too_many_tensors_is_cut() {
    let tensors: Vec<Tensor> = (0..12).map(|_| tensor(&[33], DType::F32)).collect();
    let sum = tensors.iter().skip(1).fold(Expr::from(&tensors[0]), |sum, t| (sum * 0.5).maximum(t));
    check(&sum);
    check(&sum.sum(..));
    for caps in all_caps() {
        let launches = plan_for(&sum, &caps).launches.len();
        assert_eq!(launches == 1, caps.max_bindings > 12, "{launches} kernels with {} bindings", caps.max_bindings);
    }
}

#[test]
fn a_long_chain_is_cut() {
    let x = tensor(&[33], DType::F32);
    let chain = (0..1000).fold(Expr::from(&x), |e, i| (e + i).sin());
    check(&chain);
}

#[test]
fn uniforms_lie_where_the_shader_reads_them() {
    let x = tensor(&[6, 10], DType::F32);
    let launch = plan_for(&(&x.transpose(0, 1).unwrap() * 2.0).reshape([60]).exp(), &Caps::webgpu()).launches.remove(0);
    let (module, _) = module_of(&super::source(&launch.spec));
    let members = |name: &str| {
        let found = module.types.iter().find(|(_, t)| t.name.as_deref() == Some(name)).unwrap().1;
        let naga::TypeInner::Struct { members, .. } = &found.inner else { panic!("{name} is a struct") };
        members.iter().map(|m| (m.name.clone().unwrap(), m.offset as usize)).collect::<Vec<_>>()
    };
    let offset = |list: &[(String, usize)], name: &str| list.iter().find(|m| m.0 == name).map(|m| m.1);
    let uniforms = members("Uniforms");
    let head = [
        ("n", std::mem::offset_of!(Head, n)),
        ("n_reduced", std::mem::offset_of!(Head, n_reduced)),
        ("chunk", std::mem::offset_of!(Head, chunk)),
        ("grid_x", std::mem::offset_of!(Head, grid_x)),
        ("blocks", std::mem::offset_of!(Head, blocks)),
        ("minus_infinity", std::mem::offset_of!(Head, minus_infinity)),
        ("zero", std::mem::offset_of!(Head, zero)),
        ("turns", std::mem::offset_of!(Head, turns)),
        ("dims", size_of::<Head>()),
        ("stages", launch.spec.operands_at() * 4),
        ("scalars", launch.spec.scalars_at() * 4),
    ];
    for (name, want) in head {
        assert_eq!(offset(&uniforms, name), Some(want), "{name}");
    }
    assert_eq!(size_of::<Head>(), HEAD_WORDS * 4);
    let dim = members("Dim");
    let host = [
        ("size", std::mem::offset_of!(Dim, size)),
        ("multiplier", std::mem::offset_of!(Dim, multiplier)),
        ("shift", std::mem::offset_of!(Dim, shift)),
        ("count", std::mem::offset_of!(Dim, count)),
    ];
    assert_eq!(dim, host.map(|(name, at)| (name.to_owned(), at)));
}
