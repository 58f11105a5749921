//! What a GPU's memory allows: a copy from buffer to buffer, and a plain dot product.

use std::time::Duration;

use super::Context;
use crate::base::times::{Bandwidth, Instant, rate};
use crate::{DeviceKind, Result};

const OP: &str = "bandwidth";
const READ: &str = include_str!("../../shaders/bandwidth/read.wgsl");
/// Invocations in a workgroup of the shader above.
const WG_SIZE: u64 = 256;
/// Numbers of workgroups to try; the best bandwidth counts.
const WORKGROUPS: [u32; 4] = [512, 2048, 8192, 32_768];

impl Context {
    /// Measured by the first call, then kept.
    pub(crate) fn bandwidth(&self) -> Result<Bandwidth> {
        if let Some(measured) = self.bandwidth.get() {
            return Ok(*measured);
        }
        self.settle(OP)?;
        let workgroups = self.workgroups()?;
        let measured = self.measure_bandwidth(&workgroups)?;
        Ok(*self.bandwidth.get_or_init(|| measured))
    }

    /// Those of `WORKGROUPS` that the device can run, each invocation of which has a word to write.
    fn workgroups(&self) -> Result<Vec<u32>> {
        let limits = self.device.limits();
        for (name, max) in [
            ("max_compute_invocations_per_workgroup", limits.max_compute_invocations_per_workgroup),
            ("max_compute_workgroup_size_x", limits.max_compute_workgroup_size_x),
        ] {
            if u64::from(max) < WG_SIZE {
                return Err(self.limit(OP, name, max.into(), WG_SIZE));
            }
        }
        let (max_grid, max_buffer) = (self.info().max_workgroups, self.info().max_buffer.min(self.info().max_binding));
        let bytes = |workgroups: u32| u64::from(workgroups) * WG_SIZE * 4;
        let fits = |&workgroups: &u32| workgroups <= max_grid && bytes(workgroups) <= max_buffer;
        let fitting: Vec<u32> = WORKGROUPS.into_iter().filter(fits).collect();
        match WORKGROUPS[0] {
            _ if !fitting.is_empty() => Ok(fitting),
            least if least > max_grid => {
                Err(self.limit(OP, "max_compute_workgroups_per_dimension", max_grid.into(), least.into()))
            }
            least if self.info().max_buffer < self.info().max_binding => {
                Err(self.limit(OP, "max_buffer_size", max_buffer, bytes(least)))
            }
            least => Err(self.limit(OP, "max_storage_buffer_binding_size", max_buffer, bytes(least))),
        }
    }

    fn measure_bandwidth(&self, workgroups: &[u32]) -> Result<Bandwidth> {
        // Two arrays of 256 MiB lie beyond every cache; a software adapter's arithmetic takes longer than its memory.
        let wanted = if self.info().kind == DeviceKind::Software { 32 << 20 } else { 256 << 20 };
        let size = wanted.min(self.info().max_binding).min(self.info().max_buffer) / 16 * 16;
        let array = || {
            let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
            let label = Some("hadamard bandwidth");
            self.allocate(OP, &wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
        };
        let (a, b) = (array()?, array()?);
        let copy = rate(2 * size, |runs| {
            self.timed(|encoder| (0..runs).for_each(|_| encoder.copy_buffer_to_buffer(&a, 0, &b, 0, size)))
        })?;
        let read = self.read_rate(&a, &b, workgroups)?;
        a.destroy();
        b.destroy();
        Ok(Bandwidth { copy, read })
    }

    /// The best bandwidth over all of these numbers of workgroups, in rising order.
    fn read_rate(&self, a: &wgpu::Buffer, b: &wgpu::Buffer, numbers: &[u32]) -> Result<f64> {
        let most = u64::from(numbers[numbers.len() - 1]) * WG_SIZE;
        let usage = wgpu::BufferUsages::STORAGE;
        let label = Some("hadamard bandwidth");
        let out =
            self.allocate(OP, &wgpu::BufferDescriptor { label, size: most * 4, usage, mapped_at_creation: false })?;
        let (pipeline, group) = self.guard(OP, || Ok(self.dot_product(a, b, &out)))?;
        let dispatch = |workgroups, runs| {
            self.timed(|encoder| {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                pass.set_pipeline(&pipeline);
                pass.set_bind_group(0, &group, &[]);
                (0..runs).for_each(|_| pass.dispatch_workgroups(workgroups, 1, 1));
            })
        };
        dispatch(numbers[0], 1)?; // takes memory, and compiles
        let mut best = (Duration::MAX, 0);
        for &workgroups in numbers {
            best = best.min((dispatch(workgroups, 4)?, workgroups));
        }
        let rate = rate(2 * a.size(), |runs| dispatch(best.1, runs));
        out.destroy();
        rate
    }

    fn dot_product(
        &self,
        a: &wgpu::Buffer,
        b: &wgpu::Buffer,
        out: &wgpu::Buffer,
    ) -> (wgpu::ComputePipeline, wgpu::BindGroup) {
        let label = Some("hadamard bandwidth");
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label,
            source: wgpu::ShaderSource::Wgsl(READ.into()),
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let bound = [(0, a), (1, b), (2, out)];
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &bound
                .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() }),
        });
        (pipeline, group)
    }

    /// How long the GPU takes for the recorded work, with submitting and waiting.
    fn timed(&self, record: impl FnOnce(&mut wgpu::CommandEncoder)) -> Result<Duration> {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        record(&mut encoder);
        let commands = encoder.finish();
        let start = Instant::now();
        self.guard(OP, || Ok(self.queue.submit([commands])))?;
        self.wait(OP, None)?;
        Ok(start.elapsed())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_dot_product_is_valid_wgsl() {
        let module = naga::front::wgsl::parse_str(super::READ).unwrap();
        let mut validator =
            naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty());
        validator.validate(&module).unwrap();
    }
}
