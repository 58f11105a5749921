// What GLSL defines and C++ does not, for functions of one element, and a program that calls one of them:
// functions NUMBER ZERO MINUS_INFINITY < pairs of arguments > results.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

using uint = uint32_t;

template <typename To, typename From>
static To bits(From x) {
    static_assert(sizeof(To) == sizeof(From), "of one size");
    To y;
    std::memcpy(&y, &x, sizeof y);
    return y;
}

static uint floatBitsToUint(float x) { return bits<uint>(x); }
static int floatBitsToInt(float x) { return bits<int>(x); }
static float uintBitsToFloat(uint x) { return bits<float>(x); }
static float intBitsToFloat(int x) { return bits<float>(x); }
template <typename T>
static T min(T a, T b) { return b < a ? b : a; }
template <typename T>
static T max(T a, T b) { return a < b ? b : a; }
template <typename T>
static T clamp(T x, T low, T high) { return min(max(x, low), high); }
template <typename T>
static T mix(T a, T b, bool second) { return second ? b : a; }
using std::abs;
using std::floor;
using std::sqrt;
using std::trunc;
static float roundEven(float x) { return std::nearbyint(x); }
static float length(float x) { return std::fabs(x); }

// What is a word of C++ and no word of GLSL.
#define signed signed_

FUNCTIONS

#define CASE(number, T, result)                                        \
    case number: {                                                     \
        T pair[2];                                                     \
        std::vector<T> results;                                        \
        while (std::fread(pair, sizeof(T), 2, stdin) == 2) {           \
            T a = pair[0], b = pair[1];                                \
            results.push_back(result);                                 \
        }                                                              \
        std::fwrite(results.data(), sizeof(T), results.size(), stdout); \
        break;                                                         \
    }

int main(int, char** arguments) {
    _group_0_binding_0_cs.zero = std::strtoul(arguments[2], nullptr, 10);
    _group_0_binding_0_cs.minus_infinity = std::strtoul(arguments[3], nullptr, 10);
    switch (std::atoi(arguments[1])) {
        CASES
    }
    return 0;
}
