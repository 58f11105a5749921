//! Devices with less than the usual of one limit each: refused by its name, or right.
#![cfg(feature = "gpu")]

mod devices;

use devices::{failures_on_each, limited_or_refused};
use hadamard::{DType, Device, Error, Expr, Result, Tensor, einsum};

/// A way to give a limit a value.
type Set = fn(&mut wgpu::Limits, u64);

/// Limits by their names, and values for each: nothing or almost nothing, one too little, just enough, and in between.
const LIMITS: &[(&str, Set, &[u64])] = &[
    ("max_bind_groups", |l, n| l.max_bind_groups = n as u32, &[0, 1]),
    ("max_bindings_per_bind_group", |l, n| l.max_bindings_per_bind_group = n as u32, &[0, 4, 5, 6]),
    (
        "max_dynamic_uniform_buffers_per_pipeline_layout",
        |l, n| l.max_dynamic_uniform_buffers_per_pipeline_layout = n as u32,
        &[0, 1],
    ),
    (
        "max_dynamic_storage_buffers_per_pipeline_layout",
        |l, n| l.max_dynamic_storage_buffers_per_pipeline_layout = n as u32,
        &[0],
    ),
    ("max_uniform_buffers_per_shader_stage", |l, n| l.max_uniform_buffers_per_shader_stage = n as u32, &[0, 1]),
    ("max_storage_buffers_per_shader_stage", |l, n| l.max_storage_buffers_per_shader_stage = n as u32, &[0, 3, 4, 5]),
    ("max_uniform_buffer_binding_size", |l, n| l.max_uniform_buffer_binding_size = n, &[0, 64, 16383, 16384]),
    ("max_storage_buffer_binding_size", |l, n| l.max_storage_buffer_binding_size = n, &[0, 4, 2044, 2048, 5000]),
    ("max_buffer_size", |l, n| l.max_buffer_size = n, &[0, 64 << 10, (256 << 10) - 4, 256 << 10, 300_000]),
    (
        "max_compute_invocations_per_workgroup",
        |l, n| l.max_compute_invocations_per_workgroup = n as u32,
        &[0, 1, 63, 64, 100, 255],
    ),
    ("max_compute_workgroup_size_x", |l, n| l.max_compute_workgroup_size_x = n as u32, &[0, 1, 63, 64, 100, 255]),
    ("max_compute_workgroup_size_y", |l, n| l.max_compute_workgroup_size_y = n as u32, &[0, 1]),
    ("max_compute_workgroup_size_z", |l, n| l.max_compute_workgroup_size_z = n as u32, &[0, 1]),
    (
        "max_compute_workgroup_storage_size",
        |l, n| l.max_compute_workgroup_storage_size = n as u32,
        &[0, 1024, 9215, 9216, 16352],
    ),
    (
        "max_compute_workgroups_per_dimension",
        |l, n| l.max_compute_workgroups_per_dimension = n as u32,
        &[0, 1, 3, 4, 100],
    ),
    ("min_uniform_buffer_offset_alignment", |l, n| l.min_uniform_buffer_offset_alignment = n as u32, &[512]),
    ("min_storage_buffer_offset_alignment", |l, n| l.min_storage_buffer_offset_alignment = n as u32, &[256, 512]),
    ("max_immediate_size", |l, n| l.max_immediate_size = n as u32, &[0]),
    // What no compute shader is about.
    ("max_texture_dimension_2d", |l, n| l.max_texture_dimension_2d = n as u32, &[0]),
    ("max_sampled_textures_per_shader_stage", |l, n| l.max_sampled_textures_per_shader_stage = n as u32, &[0]),
    ("max_storage_textures_per_shader_stage", |l, n| l.max_storage_textures_per_shader_stage = n as u32, &[0]),
    ("max_vertex_buffers", |l, n| l.max_vertex_buffers = n as u32, &[0]),
];

const DTYPES: [DType; 2] = [DType::F32, DType::F64];

/// One kernel of each kind, and several reductions in one pass, in a dtype; small numbers, so that all are exact.
fn works(device: &Device, dtype: DType) -> Result<()> {
    const N: usize = 34;
    let number = |i: usize| ((i * 7) % 11) as f32 - 5.0;
    let values: Vec<f32> = (0..N * N).map(number).collect();
    let x = Tensor::from_slice(&values, [N, N], &Device::cpu())?.to_dtype(dtype)?.to_device(device)?;
    let read = |t: Tensor| t.to_dtype(DType::F32)?.to_vec::<f32>();
    let columns = |f: &dyn Fn(f32) -> f32| -> Vec<f32> {
        (0..N).map(|j| (0..N).map(|i| f(values[i * N + j])).sum::<f32>()).collect()
    };

    let map = read((&x * 2 + 1).eval()?)?;
    assert!(map.iter().zip(&values).all(|(y, x)| *y == x * 2.0 + 1.0), "a map");
    assert_eq!(read(x.sum(0).eval()?)?, columns(&|x| x), "a sum over rows");
    let square = values.iter().map(|x| x * x).sum::<f32>();
    assert_eq!(read(x.cast(DType::F32).square().sum(..).eval()?)?, [square], "a sum of all");
    assert_eq!(read(x.transpose(0, 1)?.sum(1).eval()?)?, columns(&|x| x), "a sum along rows");
    for (turned, dim) in [(&x, 0), (&x.transpose(0, 1)?.contiguous()?, 1)] {
        let several = (0..8).map(|k| (turned + k).sum(dim)).reduce(|all, sum| all + sum).unwrap();
        assert_eq!(read(several.eval()?)?, columns(&|x| 8.0 * x + 28.0), "several sums over dim {dim}");
    }
    for (turned, dim) in [(&x, 0), (&x.transpose(0, 1)?.contiguous()?, 1)] {
        let so_far = turned.cumsum(dim) + 1;
        let last = read(so_far.narrow(dim, N - 1, 1).reshape([N]).eval()?)?;
        assert_eq!(last, columns(&|x| x).iter().map(|x| x + 1.0).collect::<Vec<_>>(), "a scan along dim {dim}");
    }
    let product = read(einsum("ik,jk->ij", &[&x, &x]).eval()?)?;
    let dot = |i: usize, j: usize| (0..N).map(|k| values[i * N + k] * values[j * N + k]).sum::<f32>();
    assert!((0..N * N).all(|at| product[at] == dot(at / N, at % N)), "a matrix product");
    x.narrow(1, 3, 5)?.fill(0)?;
    assert_eq!(read(x.sum(0).eval()?)?[2..9], [&columns(&|x| x)[2..3], &[0.0; 5], &columns(&|x| x)[8..9]].concat());
    Ok(())
}

#[test]
fn a_device_that_lacks_something_is_refused_by_name_or_is_right() {
    let failures = failures_on_each(|device| {
        if !device.is_gpu() {
            return Vec::new();
        }
        let mut failures = Vec::new();
        for (name, set, values) in LIMITS {
            let mut accepted = 0;
            for &value in *values {
                let failed = |what: String| format!("{device}: {name} = {value}: {what}");
                let (raw, small) = limited_or_refused(device, |limits| set(limits, value));
                match small {
                    Ok(small) => {
                        accepted += 1;
                        // Sizes are a matter of the dtype, too.
                        let dtypes = if name.contains("workgroup") || name.contains("size") {
                            &DTYPES[..]
                        } else {
                            &DTYPES[..1]
                        };
                        for &dtype in dtypes.iter().filter(|&&d| d != DType::F64 || small.info().f64) {
                            failures.extend(works(&small, dtype).err().map(|e| failed(format!("{dtype}: {e:?}"))));
                        }
                    }
                    Err(Error::Unsupported { what, .. }) => {
                        let said =
                            what.contains(&format!("{name} of at ")) && what.contains(&format!("(it is {value})"));
                        failures.extend((!said).then(|| failed(what)));
                    }
                    Err(other) => failures.push(failed(other.to_string())),
                }
                drop(raw);
            }
            if accepted == 0 {
                failures.push(format!("{device}: no value of {name} is enough"));
            }
        }
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Each reshape of a transposed matrix is one more step from an element's number to its place.
#[test]
fn a_chain_of_views_too_long_for_the_uniforms_is_refused_by_name() {
    let failures = failures_on_each(|device| {
        if !device.is_gpu() {
            return Vec::new();
        }
        let (_raw, small) = limited_or_refused(device, |limits| limits.max_uniform_buffer_binding_size = 16 << 10);
        let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3], &small.unwrap()).unwrap();
        let chain = |n: usize| (0..n).fold(Expr::from(&x), |x, _| x.transpose(0, 1).reshape([2, 3]));
        let short = (chain(4) + 0).eval().and_then(|y| y.to_vec::<f32>());
        let long = (chain(400) + 0).eval();
        let mut failures = Vec::new();
        if !matches!(&short, Ok(y) if *y == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) {
            failures.push(format!("{device}: {short:?}"));
        }
        if !matches!(&long, Err(Error::Limit { limit: "max_uniform_buffer_binding_size", max: 16384, .. })) {
            failures.push(format!("{device}: {long:?}"));
        }
        failures
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What `Device::bandwidth` measures with is no kernel of ours, and takes more.
#[test]
fn bandwidth_of_a_small_device_is_measured_or_refused_by_name() {
    let failures = failures_on_each(|device| {
        let small: &[(&str, fn(&mut wgpu::Limits))] = &[
            ("", |l| l.max_compute_workgroups_per_dimension = 2048),
            ("", |l| l.max_buffer_size = 4 << 20),
            ("max_compute_workgroups_per_dimension", |l| l.max_compute_workgroups_per_dimension = 100),
            ("max_compute_invocations_per_workgroup", |l| l.max_compute_invocations_per_workgroup = 128),
            ("max_compute_workgroup_size_x", |l| l.max_compute_workgroup_size_x = 128),
            ("max_buffer_size", |l| l.max_buffer_size = 256 << 10),
        ];
        let small = if device.is_gpu() { small } else { &[] };
        let judge = |(name, tighten): &(&'static str, fn(&mut wgpu::Limits))| {
            let (_raw, small) = limited_or_refused(device, tighten);
            match small.and_then(|small| small.bandwidth()) {
                Ok(measured) if name.is_empty() && measured.read > 0.0 => None,
                Err(Error::Limit { limit, .. }) if limit == *name => None,
                other => Some(format!("{device}: {name}: {other:?}")),
            }
        };
        small.iter().filter_map(judge).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
