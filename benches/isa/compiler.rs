//! AMD's GPUs without one: Mesa's driver opens a device that nothing runs on, but that compiles, tells what it made, and
//! shows the machine code. `tests/amd.rs` uses it, too.

use std::ffi::CStr;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use ash::vk;

/// Families of AMD's GPUs, by the names of Mesa's versions: GCN of 2016 and 2017, RDNA 1, 2 and 3.
const FAMILIES: [&[&str]; 5] = [&["polaris10"], &["vega10"], &["navi10"], &["navi21"], &["navi31", "gfx1100"]];

const DRIVER: &str = "/usr/share/vulkan/icd.d/radeon_icd.x86_64.json";

/// Runs this program once for each family, and gives what it printed.
///
/// The driver reads its variables once, so each family has a process of its own.
pub(crate) fn each_family(arguments: &[&str], mut told: impl FnMut(&str, &Output)) {
    assert!(Path::new(DRIVER).exists(), "{DRIVER} is missing: Debian has it in mesa-vulkan-drivers");
    for names in FAMILIES {
        let run = |name: &&str| {
            Command::new(std::env::current_exe().unwrap())
                .args(arguments)
                .envs([("RADV_FORCE_FAMILY", name), ("VK_DRIVER_FILES", &DRIVER), ("VK_ICD_FILENAMES", &DRIVER)])
                .envs([("NODEVICE_SELECT", "1"), ("RADV_DEBUG", "nocache")])
                .output()
                .unwrap()
        };
        let is_known = |output: &Output| !String::from_utf8_lossy(&output.stderr).contains("Unknown family");
        let (name, output) = names
            .iter()
            .map(|name| (name, run(name)))
            .find(|(_, output)| is_known(output))
            .unwrap_or_else(|| panic!("the driver knows none of {names:?}"));
        told(name, &output);
    }
}

/// Whether this process is one of those.
pub(crate) fn is_of_one_family() -> bool {
    std::env::var_os("RADV_FORCE_FAMILY").is_some()
}

/// What the compiler made of a compute shader.
pub(crate) struct Compiled {
    pub(crate) machine_code: String,
    statistics: Vec<(String, u64)>,
}

impl Compiled {
    /// What the driver tells by this name.
    pub(crate) fn statistic(&self, name: &str) -> u64 {
        let found = self.statistics.iter().find(|statistic| statistic.0 == name);
        found.unwrap_or_else(|| panic!("the driver tells no {name}, but {:?}", self.statistics)).1
    }
}

/// A Vulkan device that compiles.
pub(crate) struct Compiler {
    pub(crate) name: String,
    /// The driver and its version.
    pub(crate) driver: String,
    device: ash::Device,
    executables: ash::khr::pipeline_executable_properties::Device,
    /// What the functions of the others are in.
    _entry: ash::Entry,
    _instance: ash::Instance,
}

/// A compute shader that the driver has taken, and not compiled.
pub(crate) struct Shader {
    module: vk::ShaderModule,
    layout: vk::PipelineLayout,
}

impl Compiler {
    pub(crate) fn open() -> Self {
        // SAFETY: the loader is Khronos' and stays loaded; every structure below outlives the call it is passed to,
        // and only what the device supports is asked for.
        unsafe {
            let entry = ash::Entry::load().expect("a Vulkan loader");
            let app = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
            let info = vk::InstanceCreateInfo::default().application_info(&app);
            let instance = entry.create_instance(&info, None).expect("an instance");
            let physical = instance.enumerate_physical_devices().expect("devices")[0];
            let mut driver = vk::PhysicalDeviceDriverProperties::default();
            let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut driver);
            instance.get_physical_device_properties2(physical, &mut properties);
            let text = |name: &CStr| name.to_string_lossy().into_owned();
            let name = text(CStr::from_ptr(properties.properties.device_name.as_ptr()));
            let driver = [driver.driver_name.as_ptr(), driver.driver_info.as_ptr()].map(|of| text(CStr::from_ptr(of)));
            let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(0).queue_priorities(&[1.0])];
            let extensions = [ash::khr::pipeline_executable_properties::NAME, ash::ext::robustness2::NAME];
            let extensions = extensions.map(CStr::as_ptr);
            let mut executables =
                vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default().pipeline_executable_info(true);
            // As wgpu has it.
            let mut robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default().robust_buffer_access2(true);
            let features = vk::PhysicalDeviceFeatures::default()
                .robust_buffer_access(true)
                .shader_float64(true)
                .shader_int64(true);
            let info = vk::DeviceCreateInfo::default()
                .queue_create_infos(&queues)
                .enabled_extension_names(&extensions)
                .enabled_features(&features)
                .push_next(&mut executables)
                .push_next(&mut robust);
            let device = instance.create_device(physical, &info, None).expect("a device");
            let executables = ash::khr::pipeline_executable_properties::Device::new(&instance, &device);
            Self { name, driver: driver.join(", "), device, executables, _entry: entry, _instance: instance }
        }
    }

    /// Hands over a shader, with its SPIR-V as this library has wgpu write it.
    pub(crate) fn shader(&self, wgsl: &str) -> Shader {
        let module = naga::front::wgsl::parse_str(wgsl).unwrap_or_else(|e| panic!("{}", e.emit_to_string(wgsl)));
        let words = spirv(&module);
        let bindings: Vec<_> = module
            .global_variables
            .iter()
            .filter_map(|(_, variable)| {
                let kind = match variable.space {
                    naga::AddressSpace::Uniform => vk::DescriptorType::UNIFORM_BUFFER_DYNAMIC,
                    _ => vk::DescriptorType::STORAGE_BUFFER,
                };
                let binding = vk::DescriptorSetLayoutBinding::default()
                    .binding(variable.binding?.binding)
                    .descriptor_type(kind)
                    .descriptor_count(1)
                    .stage_flags(vk::ShaderStageFlags::COMPUTE);
                Some(binding)
            })
            .collect();
        // SAFETY: as in `open`; the SPIR-V is naga's, validated; what is made here is used by this device alone, and
        // the process ends with it.
        unsafe {
            let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let layouts = [self.device.create_descriptor_set_layout(&info, None).unwrap()];
            let info = vk::PipelineLayoutCreateInfo::default().set_layouts(&layouts);
            let layout = self.device.create_pipeline_layout(&info, None).unwrap();
            let info = vk::ShaderModuleCreateInfo::default().code(&words);
            Shader { module: self.device.create_shader_module(&info, None).unwrap(), layout }
        }
    }

    fn pipeline(&self, shader: &Shader, flags: vk::PipelineCreateFlags) -> vk::Pipeline {
        let stage = vk::PipelineShaderStageCreateInfo::default()
            .stage(vk::ShaderStageFlags::COMPUTE)
            .module(shader.module)
            .name(c"main");
        let info = vk::ComputePipelineCreateInfo::default().stage(stage).layout(shader.layout).flags(flags);
        // SAFETY: the module and the layout are of this device and live as long.
        let made = unsafe { self.device.create_compute_pipelines(vk::PipelineCache::null(), &[info], None) };
        made.map_err(|e| e.1).unwrap()[0]
    }

    /// How long it takes to compile.
    pub(crate) fn time(&self, shader: &Shader) -> Duration {
        let start = Instant::now();
        self.pipeline(shader, vk::PipelineCreateFlags::empty());
        start.elapsed()
    }

    pub(crate) fn compile(&self, shader: &Shader) -> Compiled {
        let flags = vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR
            | vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR;
        let info = vk::PipelineExecutableInfoKHR::default().pipeline(self.pipeline(shader, flags));
        // SAFETY: as in `open`; the strings are the driver's, and end.
        unsafe {
            let text = |name: &[std::ffi::c_char]| CStr::from_ptr(name.as_ptr()).to_string_lossy().into_owned();
            // The driver has no statistics but whole numbers.
            let statistics = self.executables.get_pipeline_executable_statistics(&info).unwrap();
            let statistics = statistics.iter().map(|one| (text(&one.name), one.value.u64)).collect();
            // Once to learn how long each representation is, once to fetch them.
            let mut found = self.executables.get_pipeline_executable_internal_representations(&info).unwrap();
            let mut texts: Vec<Vec<u8>> = found.iter().map(|one| vec![0; one.data_size]).collect();
            for (one, text) in found.iter_mut().zip(&mut texts) {
                one.p_data = text.as_mut_ptr().cast();
            }
            let fetch = self.executables.fp().get_pipeline_executable_internal_representations_khr;
            let mut count = found.len() as u32;
            fetch(self.device.handle(), &raw const info, &raw mut count, found.as_mut_ptr()).result().unwrap();
            let code = found.iter().position(|one| text(&one.name).contains("Assembly"));
            let code = &texts[code.expect("the driver shows machine code")];
            let machine_code = CStr::from_bytes_until_nul(code).unwrap().to_string_lossy().into_owned();
            Compiled { machine_code, statistics }
        }
    }
}

/// A module as `src/gpu/pipeline.rs` and wgpu have it on a device that checks bounds of buffers by itself.
fn spirv(module: &naga::Module) -> Vec<u32> {
    let capabilities = naga::valid::Capabilities::all();
    let info = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), capabilities).validate(module);
    let options = naga::back::spv::Options {
        lang_version: (1, 6),
        bounds_check_policies: naga::proc::BoundsCheckPolicies {
            index: naga::proc::BoundsCheckPolicy::Restrict,
            ..Default::default()
        },
        zero_initialize_workgroup_memory: naga::back::spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: false,
        ..Default::default()
    };
    let entry =
        naga::back::spv::PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point: "main".to_owned() };
    naga::back::spv::write_vec(module, &info.unwrap(), &options, Some(&entry)).unwrap()
}
