// What CUDA C++ text needs to be compiled by g++ and run on the host: one thread after the other, in whole warps.
// Data flows only from later threads of a warp to earlier ones (__shfl_down_sync), so these run last first.
#include <array>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>
#define __device__
#define __global__
#define __launch_bounds__(...)
struct Index { unsigned x; };
static thread_local Index threadIdx, blockIdx, blockDim;
static thread_local std::vector<std::array<double, 32>> shuffled;
static thread_local std::size_t shuffles;
static double __shfl_down_sync(unsigned, double v, unsigned by) {
    const unsigned lane = threadIdx.x % 32;
    if (shuffles == shuffled.size()) shuffled.emplace_back();
    std::array<double, 32>& here = shuffled[shuffles++];
    here[lane] = v;
    return lane + by < 32 ? here[lane + by] : v;
}
static void atomicAdd(unsigned long long* to, unsigned long long v) { *to += v; }
template <class... A, std::size_t... I>
static void call(void (*kernel)(A...), void** a, std::index_sequence<I...>) { kernel(*static_cast<A*>(a[I])...); }
// Returns 0, or 1 where the threads of a warp did not take part in the same shuffles, which a device needs.
template <class... A>
static int launch(void (*kernel)(A...), unsigned blocks, unsigned threads, void** arguments) {
    int apart = 0;
    blockDim.x = threads;
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x)
        for (unsigned warp = 0; warp < threads; warp += 32) {
            std::size_t expected = 0;
            shuffled.clear();
            for (unsigned lane = 32; lane-- > 0;) {
                threadIdx.x = warp + lane;
                shuffles = 0;
                call(kernel, arguments, std::index_sequence_for<A...>());
                if (lane == 31) expected = shuffles;
                apart |= shuffles != expected;
            }
        }
    return apart;
}
