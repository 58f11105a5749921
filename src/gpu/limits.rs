//! What the kernels take for granted of a device: one table, looked at before the device is used.

use super::recorder::UNIFORM_BYTES;

/// A limit that a device must have.
struct Need {
    name: &'static str,
    of: fn(&wgpu::Limits) -> u64,
    least: u64,
}

/// Shorter than the struct, one a line.
const fn need(name: &'static str, least: u64, of: fn(&wgpu::Limits) -> u64) -> Need {
    Need { name, of, least }
}

/// Limits beyond these are made use of: work is cut, and workgroups are made, as they allow.
const NEEDS: [Need; 15] = [
    // A bind group of the launch's uniforms, at an offset in their buffer, and of storage buffers: what a map reads and
    // writes when an expression is cut as far as it can be.
    need("max_bind_groups", 1, |l| l.max_bind_groups.into()),
    need("max_bindings_per_bind_group", 5, |l| l.max_bindings_per_bind_group.into()),
    need("max_dynamic_uniform_buffers_per_pipeline_layout", 1, |l| {
        l.max_dynamic_uniform_buffers_per_pipeline_layout.into()
    }),
    need("max_uniform_buffers_per_shader_stage", 1, |l| l.max_uniform_buffers_per_shader_stage.into()),
    need("max_storage_buffers_per_shader_stage", 4, |l| l.max_storage_buffers_per_shader_stage.into()),
    // The uniforms of a launch, and those of all launches that are submitted together.
    need("max_uniform_buffer_binding_size", 16 << 10, |l| l.max_uniform_buffer_binding_size),
    need("max_buffer_size", UNIFORM_BYTES as u64, |l| l.max_buffer_size),
    // Bindings begin at multiples of 256 bytes; some of these must fit for cuts to make headway.
    need("max_storage_buffer_binding_size", 2048, |l| l.max_storage_buffer_binding_size),
    // Workgroups of 64 in a line. Those of a matrix product that have 256 keep two tiles of 16 * 17 vectors of four in memory.
    need("max_compute_invocations_per_workgroup", 64, |l| l.max_compute_invocations_per_workgroup.into()),
    need("max_compute_workgroup_size_x", 64, |l| l.max_compute_workgroup_size_x.into()),
    need("max_compute_workgroup_size_y", 1, |l| l.max_compute_workgroup_size_y.into()),
    need("max_compute_workgroup_size_z", 1, |l| l.max_compute_workgroup_size_z.into()),
    need("max_compute_workgroup_storage_size", 2 * 16 * 17 * 16, |l| l.max_compute_workgroup_storage_size.into()),
    need("max_compute_workgroups_per_dimension", 4, |l| l.max_compute_workgroups_per_dimension.into()),
    // The other way round: an alignment is better the smaller it is.
    need("min_storage_buffer_offset_alignment", 256, |l| l.min_storage_buffer_offset_alignment.into()),
];

/// What a device lacks, in words: the limit, what is needed and what there is.
pub(super) fn lacking(flags: wgpu::DownlevelFlags, limits: &wgpu::Limits) -> Option<String> {
    if !flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS) {
        return Some("compute (DownlevelFlags::COMPUTE_SHADERS), which kernels need,".to_owned());
    }
    let lacks = |need: &&Need| {
        let found = (need.of)(limits);
        if need.name.starts_with("min_") { found > need.least } else { found < need.least }
    };
    NEEDS.iter().find(lacks).map(|need| {
        let bound = if need.name.starts_with("min_") { "at most" } else { "at least" };
        format!("a {} of {bound} {} (it is {}), which kernels need,", need.name, need.least, (need.of)(limits))
    })
}

/// Storage buffers that a kernel may bind: beside the uniforms, in one group.
pub(super) fn max_bindings(limits: &wgpu::Limits) -> u32 {
    limits.max_storage_buffers_per_shader_stage.min(limits.max_bindings_per_bind_group.saturating_sub(1))
}

/// Invocations that a workgroup may have in a line, a power of 2 as its reductions halve it.
pub(super) fn max_workgroup_size(limits: &wgpu::Limits) -> u32 {
    let most = limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x);
    1 << most.max(1).ilog2()
}

#[cfg(test)]
mod tests {
    use wgpu::{DownlevelFlags, Limits};

    use super::*;

    #[test]
    fn what_webgpu_promises_is_enough() {
        for limits in [Limits::default(), Limits::downlevel_defaults()] {
            assert_eq!(lacking(DownlevelFlags::all(), &limits), None);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let webgl = lacking(DownlevelFlags::all(), &Limits::downlevel_webgl2_defaults()).unwrap();
        assert!(webgl.starts_with("a max_storage_buffers_per_shader_stage of at least 4 (it is 0)"), "{webgl}");
        let none = lacking(DownlevelFlags::empty(), &Limits::default()).unwrap();
        assert!(none.contains("COMPUTE_SHADERS"), "{none}");
        let coarse = Limits { min_storage_buffer_offset_alignment: 512, ..Limits::default() };
        let coarse = lacking(DownlevelFlags::all(), &coarse).unwrap();
        assert!(coarse.starts_with("a min_storage_buffer_offset_alignment of at most 256 (it is 512)"), "{coarse}");
    }

    #[test]
    fn uniforms_leave_a_binding_for_each_buffer() {
        assert_eq!(max_bindings(&Limits { max_bindings_per_bind_group: 6, ..Limits::default() }), 5);
        assert_eq!(max_bindings(&Limits::default()), 8);
        assert_eq!(max_workgroup_size(&Limits { max_compute_workgroup_size_x: 100, ..Limits::default() }), 64);
    }
}
