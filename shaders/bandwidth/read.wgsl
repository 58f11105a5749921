// limits/read.wgsl
//
// out[g] = a part of the dot product of a and b: the fastest that two arrays can be read.
//
// At each step all workgroups together read one unbroken run of memory, four elements an invocation. Whole in itself,
// so that it shares nothing with the kernels that are held against it; and compiled with all checks of wgpu, which they
// are not.

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

const WG_SIZE = 256u;

@compute @workgroup_size(WG_SIZE)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
    let step = groups.x * WG_SIZE;
    var sum = vec4f();
    // Ends: i steps by at least WG_SIZE to a length below 2^28.
    for (var i = id.x; i < arrayLength(&a); i += step) {
        sum += a[i] * b[i];
    }
    // Stored so that no compiler leaves the reads out.
    out[id.x] = dot(sum, vec4f(1.0));
}
