//! No message from the Vulkan validation layer: run by `sh tests/validate.sh`, which tells the layer to end the process
//! at the first.
#![cfg(feature = "gpu")]
#![cfg(target_os = "linux")]

mod devices;

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use hadamard::check;

/// How the layer ends a process.
const SIGTRAP: i32 = 5;

/// Every so many cases of the table, one is run here.
const EVERY: usize = 12;

#[test]
#[ignore = "for tests/validate.sh"]
fn a_part_of_the_table_raises_no_message() {
    assert!(std::env::var_os("VK_LAYER_SETTINGS_PATH").is_some(), "run this by tests/validate.sh");
    let cases: Vec<_> = check::cases().into_iter().step_by(EVERY).collect();
    let adapters: Vec<_> = devices::devices().into_iter().filter(hadamard::Device::is_gpu).collect();
    assert!(!adapters.is_empty(), "no adapter to validate");
    for device in &adapters {
        let report = check::run_cases(device, &cases, |_, _, _| ());
        assert!(report.passed(), "{device}: {}", report.failures[0]);
        devices::note(&format!("{device}: {} cases, no message", report.cases()));
    }
}

/// Runs the next test in a process of its own, which must die of the message.
#[test]
#[ignore = "for tests/validate.sh"]
fn a_message_is_fatal() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "provoke_a_message", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.signal(), Some(SIGTRAP), "the message went unseen: {}\n{said}", output.status);
}

/// Asks Vulkan for a buffer of no bytes, which wgpu would never do.
#[test]
#[ignore = "it ends the process"]
fn provoke_a_message() {
    let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    let instance = wgpu::Instance::new(descriptor);
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::VULKAN));
    let adapter = adapters.first().expect("a Vulkan adapter");
    let (device, _queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default())).unwrap();
    // SAFETY: nothing of wgpu's is touched, and a buffer of no bytes is never used.
    unsafe {
        let device = device.as_hal::<wgpu::hal::api::Vulkan>().expect("a Vulkan device");
        let info = ash::vk::BufferCreateInfo::default().usage(ash::vk::BufferUsageFlags::STORAGE_BUFFER);
        if let Ok(buffer) = device.raw_device().create_buffer(&info, None) {
            device.raw_device().destroy_buffer(buffer, None);
        }
    }
}
