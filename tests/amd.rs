//! What a hardware GPU's compiler makes of kernels, without the GPU: Mesa's driver for AMD's opens a device that nothing
//! runs on, but that compiles, and shows its machine code. Run by `cargo test --test amd -- --ignored --nocapture`.
#![cfg(all(feature = "gpu", target_os = "linux"))]

use std::ffi::CStr;
use std::process::Command;

use ash::vk;
use hadamard::{Device, Expr, Tensor};

/// Families of AMD's GPUs, the oldest of 2016.
const FAMILIES: [&str; 4] = ["polaris10", "vega10", "navi10", "navi21"];

const DRIVER: &str = "/usr/share/vulkan/icd.d/radeon_icd.x86_64.json";

/// An expression over `a` and `b`, and instructions that its machine code must have, for each of four elements: any of
/// the names that begin so, and how many.
type Case = (&'static str, &'static [(&'static [&'static str], usize)]);

const ADD: &[&str] = &["v_add_f32", "v_sub_f32", "v_subrev_f32"];
const MUL: &[&str] = &["v_mul_f32"];
const COMPARE: &[&str] = &["v_cmp_"];

const CASES: &[Case] = &[
    ("a + -a", &[(ADD, 1)]),
    ("(a + b) - b", &[(ADD, 2)]),
    ("a + (b - a)", &[(ADD, 2)]),
    ("a - ((a + b) - b)", &[(ADD, 3)]),
    ("(a + 12582912.0) - 12582912.0", &[(ADD, 2)]),
    ("square(sqrt(a))", &[(&["v_sqrt_f32"], 1), (MUL, 1)]),
    ("a * b - b * a", &[(MUL, 1), (ADD, 1)]),
    ("a * b + a * a", &[(MUL, 2), (ADD, 1)]),
    ("where((a > 0) & (b > 0), a, b)", &[(COMPARE, 2)]),
    ("where((a + b) == a, a, b)", &[(ADD, 1), (COMPARE, 1)]),
    ("1 / (1 / a)", &[(&["v_rcp_f32", "v_div_fixup_f32"], 2)]),
];

fn shader(text: &str) -> String {
    let device = Device::cpu();
    let [a, b] = [1.0_f32, 2.0].map(|x| Tensor::full([1 << 20], x, &device).unwrap());
    let expr = Expr::parse(text, &[("a", &a), ("b", &b)]).unwrap();
    let [pass] = &expr.explain().unwrap().passes[..] else { panic!("{text} is one pass") };
    pass.wgsl.clone()
}

/// The same without what hides floats from compilers.
fn unguarded(wgsl: &str) -> String {
    let hidden = "return bitcast<F>(bitcast<U>(x) + U(uniforms.zero));";
    assert!(wgsl.contains(hidden), "{wgsl}");
    wgsl.replace(hidden, "return x;")
        .replace("return (select(U(0u), U(1u), x) + U(uniforms.zero)) != U(0u);", "return x;")
        .replace("return bitcast<F>(bitcast<U>(x) + U(uniforms.minus_infinity - 0xff800000u));", "return x;")
}

/// What is missing in some machine code.
fn missing(code: &str, (text, wanted): &Case) -> Vec<String> {
    let count = |names: &[&str]| {
        let instructions = code.lines().filter_map(|line| line.split_whitespace().next());
        instructions.filter(|found| names.iter().any(|name| found.starts_with(name))).count()
    };
    let lacks = |&&(names, per_element): &&(&[&str], usize)| count(names) < 4 * per_element;
    let tell =
        |&(names, per_element): &(&[&str], usize)| format!("{text}: {} of {} {names:?}", count(names), 4 * per_element);
    wanted.iter().filter(lacks).map(tell).collect()
}

#[test]
#[ignore = "needs Mesa's driver for AMD's GPUs"]
fn no_operation_is_simplified_away() {
    for family in FAMILIES {
        // The driver reads its variables once, so each family has a process of its own.
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["of_one_family", "--exact", "--ignored", "--nocapture"])
            .envs([("RADV_FORCE_FAMILY", family), ("VK_DRIVER_FILES", DRIVER), ("VK_ICD_FILENAMES", DRIVER)])
            .envs([("NODEVICE_SELECT", "1"), ("RADV_DEBUG", "nocache")])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{family}:\n{text}\n{}", String::from_utf8_lossy(&output.stdout));
        assert!(text.to_lowercase().contains(family), "{family} was compiled for:\n{text}");
    }
}

/// Run by the test above.
#[test]
#[ignore = "a part of another test"]
fn of_one_family() {
    if std::env::var_os("RADV_FORCE_FAMILY").is_none() {
        return;
    }
    let compiler = Compiler::open();
    eprintln!("{}", compiler.name);
    let mut simplified = 0;
    for case in CASES {
        let wgsl = shader(case.0);
        let code = compiler.machine_code(&wgsl);
        assert_eq!(missing(&code, case), [""; 0], "{wgsl}\n{code}");
        simplified += usize::from(!missing(&compiler.machine_code(&unguarded(&wgsl)), case).is_empty());
    }
    // Otherwise the test sees nothing.
    assert!(simplified >= 5, "only {simplified} of {} are simplified where nothing is hidden", CASES.len());
}

/// A Vulkan device that compiles.
struct Compiler {
    name: String,
    device: ash::Device,
    executables: ash::khr::pipeline_executable_properties::Device,
    /// What the functions of the others are in.
    _entry: ash::Entry,
    _instance: ash::Instance,
}

impl Compiler {
    fn open() -> Self {
        // SAFETY: the loader is Khronos' and stays loaded; every structure below outlives the call it is passed to,
        // and only what the device supports is asked for.
        unsafe {
            let entry = ash::Entry::load().expect("a Vulkan loader");
            let app = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_1);
            let info = vk::InstanceCreateInfo::default().application_info(&app);
            let instance = entry.create_instance(&info, None).expect("an instance");
            let physical = instance.enumerate_physical_devices().expect("devices")[0];
            let name = instance.get_physical_device_properties(physical).device_name;
            let name = CStr::from_ptr(name.as_ptr()).to_string_lossy().into_owned();
            let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(0).queue_priorities(&[1.0])];
            let extensions = [ash::khr::pipeline_executable_properties::NAME.as_ptr()];
            let mut executables =
                vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default().pipeline_executable_info(true);
            let info = vk::DeviceCreateInfo::default()
                .queue_create_infos(&queues)
                .enabled_extension_names(&extensions)
                .push_next(&mut executables);
            let device = instance.create_device(physical, &info, None).expect("a device");
            let executables = ash::khr::pipeline_executable_properties::Device::new(&instance, &device);
            Self { name, device, executables, _entry: entry, _instance: instance }
        }
    }

    /// What a compute shader becomes.
    fn machine_code(&self, wgsl: &str) -> String {
        let module = naga::front::wgsl::parse_str(wgsl).unwrap();
        let capabilities = naga::valid::Capabilities::all();
        let info = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), capabilities).validate(&module);
        let options = naga::back::spv::Options { lang_version: (1, 3), ..Default::default() };
        let entry = naga::back::spv::PipelineOptions {
            shader_stage: naga::ShaderStage::Compute,
            entry_point: "main".to_owned(),
        };
        let words = naga::back::spv::write_vec(&module, &info.unwrap(), &options, Some(&entry)).unwrap();
        let bindings: Vec<_> = module
            .global_variables
            .iter()
            .filter_map(|(_, variable)| {
                let kind = match variable.space {
                    naga::AddressSpace::Uniform => vk::DescriptorType::UNIFORM_BUFFER,
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
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(self.device.create_shader_module(&info, None).unwrap())
                .name(c"main");
            let info = vk::ComputePipelineCreateInfo::default()
                .stage(stage)
                .layout(layout)
                .flags(vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR);
            let pipelines = self.device.create_compute_pipelines(vk::PipelineCache::null(), &[info], None);
            let info = vk::PipelineExecutableInfoKHR::default().pipeline(pipelines.map_err(|e| e.1).unwrap()[0]);
            // Once to learn how long each representation is, once to fetch them.
            let mut found = self.executables.get_pipeline_executable_internal_representations(&info).unwrap();
            let mut texts: Vec<Vec<u8>> = found.iter().map(|one| vec![0; one.data_size]).collect();
            for (one, text) in found.iter_mut().zip(&mut texts) {
                one.p_data = text.as_mut_ptr().cast();
            }
            let fetch = self.executables.fp().get_pipeline_executable_internal_representations_khr;
            let mut count = found.len() as u32;
            fetch(self.device.handle(), &raw const info, &raw mut count, found.as_mut_ptr()).result().unwrap();
            let is_code = |one: &vk::PipelineExecutableInternalRepresentationKHR<'_>| {
                CStr::from_ptr(one.name.as_ptr()).to_string_lossy().contains("Assembly")
            };
            let code = found.iter().position(is_code).expect("the driver shows machine code");
            CStr::from_bytes_until_nul(&texts[code]).unwrap().to_string_lossy().into_owned()
        }
    }
}
