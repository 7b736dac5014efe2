#pragma once

namespace trainer {

// CUDA C++ for NVRTC, over images whose channels lie side by side, [N, L, C] with L = height x width. A thread has V
// channels that lie side by side. Every sum is taken in a fixed order, in float. -DBF16=1: bfloat16 in and out; else
// float.
// Group norm: a block of sums is C / V threads wide and as many rows high as fit. Variances are sums of squares about
// the first value of their channel, which keeps them exact where the mean is far from zero; channels are joined by
// Chan, Golub and LeVeque 1979.
inline constexpr const char* kKernels = R"cuda(
#if BF16
typedef unsigned short T;
#define V 8
__device__ float from(T x) { return __uint_as_float((unsigned)x << 16); }
__device__ T to(float x) {  // to the nearest, of two equally near the even one
    const unsigned bits = __float_as_uint(x);
    return x != x ? 0x7fff : (T)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
#else
typedef float T;
#define V 4
__device__ float from(T x) { return x; }
__device__ T to(float x) { return x; }
#endif
struct alignas(16) Pack { T v[V]; };
__device__ Pack load(const T* p) { return *reinterpret_cast<const Pack*>(p); }
__device__ void store(T* p, const Pack& pack) { *reinterpret_cast<Pack*>(p) = pack; }
#define INFINITY_F __int_as_float(0x7f800000)
extern __shared__ float2 shared[];

// Adds up over the rows of a block: what its threads hold for each channel, to part[n, split, c].
__device__ void add_rows(const float* first, const float* second, float2* part, int C) {
    const int wide = blockDim.x * V, c0 = threadIdx.x * V;
    for (int i = 0; i < V; ++i) shared[threadIdx.y * wide + c0 + i] = make_float2(first[i], second[i]);
    __syncthreads();
    float2* const out = part + ((size_t)blockIdx.y * gridDim.x + blockIdx.x) * C;
    for (int c = threadIdx.y * blockDim.x + threadIdx.x; c < C; c += blockDim.x * blockDim.y) {
        float2 sum = shared[c];
        for (int row = 1; row < blockDim.y; ++row) {
            sum.x += shared[row * wide + c].x;
            sum.y += shared[row * wide + c].y;
        }
        out[c] = sum;
    }
}

// grid (splits, N), block (C / V, rows): sums and sums of squares of x less its channel's first value.
extern "C" __global__ void moments(const T* x, float2* part, int L, int C, int take) {
    const int c0 = threadIdx.x * V;
    const T* const mine = x + (size_t)blockIdx.y * L * C + c0;
    const Pack first = load(mine);
    float shift[V], sum[V], square[V];
    for (int i = 0; i < V; ++i) {
        shift[i] = from(first.v[i]);
        sum[i] = square[i] = 0;
    }
    const int end = min(L, (int)(blockIdx.x + 1) * take);
    for (int l = blockIdx.x * take + threadIdx.y; l < end; l += blockDim.y) {
        const Pack pack = load(mine + (size_t)l * C);
        for (int i = 0; i < V; ++i) {
            const float d = from(pack.v[i]) - shift[i];
            sum[i] += d;
            square[i] += d * d;
        }
    }
    add_rows(sum, square, part, C);
}

// grid N: mean and 1 / deviation of each group, and scale and offset of each channel.
extern "C" __global__ void join(const T* x, const float2* part, int splits, const float* weight, const float* bias,
                                float2* group, float2* line, int L, int C, int G, float epsilon) {
    const size_t n = blockIdx.x;
    const int D = C / G;
    float2* const channel = shared;           // [C] mean, squares about it
    float2* const joined = shared + C;        // [G] mean, 1 / deviation
    for (int c = threadIdx.x; c < C; c += blockDim.x) {
        float sum = 0, square = 0;
        for (int s = 0; s < splits; ++s) {
            const float2 each = part[(n * splits + s) * C + c];
            sum += each.x;
            square += each.y;
        }
        channel[c] = make_float2(from(x[n * L * C + c]) + sum / L, fmaxf(square - sum * (sum / L), 0.f));
        if (square != square) channel[c].y = square;  // fmaxf would lose it
    }
    __syncthreads();
    for (int g = threadIdx.x; g < G; g += blockDim.x) {
        float mean = 0, square = 0;
        for (int c = g * D; c < (g + 1) * D; ++c) mean += channel[c].x;
        mean /= D;
        for (int c = g * D; c < (g + 1) * D; ++c) {
            const float d = channel[c].x - mean;
            square += channel[c].y + L * d * d;
        }
        joined[g] = make_float2(mean, rsqrtf(square / ((float)D * L) + epsilon));
        group[n * G + g] = joined[g];
    }
    __syncthreads();
    for (int c = threadIdx.x; c < C; c += blockDim.x) {
        const float2 each = joined[c / D];
        const float scale = each.y * weight[c];
        line[n * C + c] = make_float2(scale, bias[c] - each.x * scale);
    }
}

// grid (blocks, N), block threads: y = relu(x * scale + offset + other). What is no number stays none.
extern "C" __global__ void apply(const T* x, const T* other, const float2* line, T* y, int L, int C, int relu) {
    const size_t n = blockIdx.y, base = n * L * C, vectors = (size_t)L * C / V;
    const int wide = C / V;
    for (size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x; at < vectors; at += (size_t)gridDim.x * blockDim.x) {
        const float2* const mine = line + n * C + (at % wide) * V;
        const Pack in = load(x + base + at * V);
        Pack out, more;
        if (other) more = load(other + base + at * V);
        for (int i = 0; i < V; ++i) {
            float z = from(in.v[i]) * mine[i].x + mine[i].y;
            if (other) z += from(more.v[i]);
            out.v[i] = to(relu && z < 0 ? 0.f : z);
        }
        store(y + base + at * V, out);
    }
}

// As moments: sums of dz, and of dz times the normalised x. dz is dy where y (null: everywhere) let it through, and
// is kept in `kept` unless that is null.
extern "C" __global__ void back_sums(const T* dy, const T* y, const T* x, const float2* group, T* kept, float2* part,
                                     int L, int C, int G, int take) {
    const int c0 = threadIdx.x * V, D = C / G;
    const size_t n = blockIdx.y, base = n * L * C + c0;
    float mean[V], inverse[V], sum[V], product[V];
    for (int i = 0; i < V; ++i) {
        const float2 each = group[n * G + (c0 + i) / D];
        mean[i] = each.x;
        inverse[i] = each.y;
        sum[i] = product[i] = 0;
    }
    const int end = min(L, (int)(blockIdx.x + 1) * take);
    for (int l = blockIdx.x * take + threadIdx.y; l < end; l += blockDim.y) {
        const size_t at = base + (size_t)l * C;
        Pack grad = load(dy + at);
        const Pack in = load(x + at);
        if (y) {
            const Pack out = load(y + at);
            for (int i = 0; i < V; ++i)
                if (from(out.v[i]) <= 0) grad.v[i] = to(0.f);
        }
        if (kept) store(kept + at, grad);
        for (int i = 0; i < V; ++i) {
            const float dz = from(grad.v[i]);
            sum[i] += dz;
            product[i] += dz * (from(in.v[i]) - mean[i]) * inverse[i];
        }
    }
    add_rows(sum, product, part, C);
}

// grid N: dx = dz * curve.x + x * curve.y + curve.z for each channel; sums[n, c] for the gradients of weight and bias.
extern "C" __global__ void back_join(const float2* part, int splits, const float* weight, const float2* group,
                                     float2* sums, float* curve, int L, int C, int G) {
    const size_t n = blockIdx.x;
    const int D = C / G;
    float2* const channel = shared;
    float2* const joined = shared + C;
    for (int c = threadIdx.x; c < C; c += blockDim.x) {
        float2 sum = make_float2(0, 0);
        for (int s = 0; s < splits; ++s) {
            const float2 each = part[(n * splits + s) * C + c];
            sum.x += each.x;
            sum.y += each.y;
        }
        channel[c] = sums[n * C + c] = sum;
    }
    __syncthreads();
    for (int g = threadIdx.x; g < G; g += blockDim.x) {
        float plain = 0, product = 0;
        for (int c = g * D; c < (g + 1) * D; ++c) {
            plain += weight[c] * channel[c].x;
            product += weight[c] * channel[c].y;
        }
        joined[g] = make_float2(plain / ((float)D * L), product / ((float)D * L));
    }
    __syncthreads();
    for (int c = threadIdx.x; c < C; c += blockDim.x) {
        const float2 each = group[n * G + c / D], mean = joined[c / D];
        const float bend = -each.y * each.y * mean.y;
        float* const out = curve + (n * C + c) * 3;
        out[0] = each.y * weight[c];
        out[1] = bend;
        out[2] = -each.y * mean.x - each.x * bend;
    }
}

extern "C" __global__ void back_apply(const T* dy, const T* y, const T* x, const float* curve, T* dx, int L, int C) {
    const size_t n = blockIdx.y, base = n * L * C, vectors = (size_t)L * C / V;
    const int wide = C / V;
    for (size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x; at < vectors; at += (size_t)gridDim.x * blockDim.x) {
        const float* const mine = curve + (n * C + (at % wide) * V) * 3;
        const Pack grad = load(dy + base + at * V), in = load(x + base + at * V);
        Pack out, through;
        if (y) through = load(y + base + at * V);
        for (int i = 0; i < V; ++i) {
            const float dz = y && from(through.v[i]) <= 0 ? 0.f : from(grad.v[i]);
            out.v[i] = to(dz * mine[i * 3] + from(in.v[i]) * mine[i * 3 + 1] + mine[i * 3 + 2]);
        }
        store(dx + base + at * V, out);
    }
}

// Maximum of 3 x 3, every second one, over a border of one. `place` tells which of the nine it was, for the way back; of
// equals the first, and what is no number wins, as in PyTorch.
struct alignas(V) Places { unsigned char v[V]; };

extern "C" __global__ void pool(const T* x, T* y, unsigned char* place, int N, int H, int W, int HO, int WO, int C) {
    const int wide = C / V;
    const size_t count = (size_t)N * HO * WO * wide;
    for (size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x; at < count; at += (size_t)gridDim.x * blockDim.x) {
        const int c = (int)(at % wide) * V, wo = (int)(at / wide % WO), ho = (int)(at / wide / WO % HO);
        const size_t n = at / wide / WO / HO;
        float best[V];
        Places where;
        for (int i = 0; i < V; ++i) {
            best[i] = -INFINITY_F;
            where.v[i] = 255;
        }
        for (int tap = 0; tap < 9; ++tap) {
            const int h = ho * 2 - 1 + tap / 3, w = wo * 2 - 1 + tap % 3;
            if (h < 0 || h >= H || w < 0 || w >= W) continue;
            const Pack pack = load(x + ((n * H + h) * W + w) * C + c);
            for (int i = 0; i < V; ++i) {
                const float value = from(pack.v[i]);
                if (where.v[i] == 255 || value > best[i] || value != value) {
                    best[i] = value;
                    where.v[i] = (unsigned char)tap;
                }
            }
        }
        Pack out;
        for (int i = 0; i < V; ++i) out.v[i] = to(best[i]);
        store(y + at * V, out);
        *reinterpret_cast<Places*>(place + at * V) = where;
    }
}

extern "C" __global__ void back_pool(const T* dy, const unsigned char* place, T* dx, int N, int H, int W, int HO, int WO,
                                     int C) {
    const int wide = C / V;
    const size_t count = (size_t)N * H * W * wide;
    for (size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x; at < count; at += (size_t)gridDim.x * blockDim.x) {
        const int c = (int)(at % wide) * V, w = (int)(at / wide % W), h = (int)(at / wide / W % H);
        const size_t n = at / wide / W / H;
        float sum[V];
        for (int i = 0; i < V; ++i) sum[i] = 0;
        for (int ho = h / 2; ho <= (h + 1) / 2 && ho < HO; ++ho)
            for (int wo = w / 2; wo <= (w + 1) / 2 && wo < WO; ++wo) {
                const int tap = (h + 1 - ho * 2) * 3 + (w + 1 - wo * 2);
                const size_t from_where = ((n * HO + ho) * WO + wo) * C + c;
                const Places where = *reinterpret_cast<const Places*>(place + from_where);
                const Pack grad = load(dy + from_where);
                for (int i = 0; i < V; ++i)
                    if (where.v[i] == tap) sum[i] += from(grad.v[i]);
            }
        Pack out;
        for (int i = 0; i < V; ++i) out.v[i] = to(sum[i]);
        store(dx + at * V, out);
    }
}
)cuda";

}  // namespace trainer
