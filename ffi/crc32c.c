/*
 * CRC-32C (Castagnoli, reflected 0x82f63b78; RFC 3720 B.4), by the processor's own instruction where it
 * has one. storage/crc32c.ts has the twin in TypeScript.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

#define POLYNOMIAL 0x82f63b78u
/*
 * The crc32 instruction takes 3 cycles and one can start in each, so three lanes run side by side. To
 * join them, a lane's CRC is carried over the bytes behind it by a table for that many zero bytes.
 */
#define LANE_LONG 2048
#define LANE_SHORT 192

static uint32_t slices[8][256];
static uint32_t over_long[4][256], over_short[4][256];
static int has_instruction;

/* Fills a table that carries a CRC over `length` zero bytes. The map is linear: 32 single bits give it. */
static void make_zeros(uint32_t table[4][256], size_t length) {
  uint32_t image[32];
  for (int bit = 0; bit < 32; bit++) {
    uint32_t crc = 1u << bit;
    for (size_t i = 0; i < length; i++) crc = slices[0][crc & 255] ^ (crc >> 8);
    image[bit] = crc;
  }
  for (int byte = 0; byte < 4; byte++) {
    for (int value = 0; value < 256; value++) {
      uint32_t crc = 0;
      for (int bit = 0; bit < 8; bit++) {
        if (value >> bit & 1) crc ^= image[8 * byte + bit];
      }
      table[byte][value] = crc;
    }
  }
}

static inline uint32_t carry(uint32_t table[4][256], uint32_t crc) {
  return table[0][crc & 255] ^ table[1][crc >> 8 & 255] ^ table[2][crc >> 16 & 255] ^ table[3][crc >> 24];
}

static inline uint64_t load8(const uint8_t *at) {
  uint64_t word;
  memcpy(&word, at, 8);
  return word;
}

#if defined(__x86_64__)
#define HARDWARE __attribute__((target("sse4.2")))
#define STEP8(crc, word) ((uint32_t)__builtin_ia32_crc32di((crc), (word)))
#define STEP1(crc, byte) __builtin_ia32_crc32qi((crc), (byte))
static int detect(void) { return __builtin_cpu_supports("sse4.2"); }
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#define HARDWARE __attribute__((target("+crc")))
#define STEP8(crc, word) __crc32cd((crc), (word))
#define STEP1(crc, byte) __crc32cb((crc), (byte))
static int detect(void) { return (getauxval(AT_HWCAP) & (1 << 7)) != 0; /* HWCAP_CRC32 */ }
#else
static int detect(void) { return 0; }
#endif

#ifdef HARDWARE
HARDWARE static inline uint32_t lanes(uint32_t a, const uint8_t *at, size_t lane, uint32_t table[4][256]) {
  uint32_t b = 0, c = 0;
  for (size_t i = 0; i < lane; i += 8) {
    a = STEP8(a, load8(at + i));
    b = STEP8(b, load8(at + lane + i));
    c = STEP8(c, load8(at + 2 * lane + i));
  }
  return carry(table, carry(table, a) ^ b) ^ c;
}

HARDWARE static uint32_t crc_hardware(uint32_t crc, const uint8_t *at, size_t length) {
  for (; length >= 3 * LANE_LONG; at += 3 * LANE_LONG, length -= 3 * LANE_LONG) {
    crc = lanes(crc, at, LANE_LONG, over_long);
  }
  for (; length >= 3 * LANE_SHORT; at += 3 * LANE_SHORT, length -= 3 * LANE_SHORT) {
    crc = lanes(crc, at, LANE_SHORT, over_short);
  }
  for (; length >= 8; at += 8, length -= 8) crc = STEP8(crc, load8(at));
  for (; length > 0; at++, length--) crc = STEP1(crc, *at);
  return crc;
}
#endif

static uint32_t crc_software(uint32_t crc, const uint8_t *at, size_t length) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  for (; length >= 8; at += 8, length -= 8) {
    uint64_t word = load8(at) ^ crc;
    crc = 0;
    for (int i = 0; i < 8; i++) crc ^= slices[7 - i][word >> 8 * i & 255];
  }
#endif
  for (; length > 0; at++, length--) crc = slices[0][(crc ^ *at) & 255] ^ (crc >> 8);
  return crc;
}

/* The tables are written once, before any call can be made, and only read from then on. */
__attribute__((constructor)) static void prepare_crc(void) {
  for (uint32_t value = 0; value < 256; value++) {
    uint32_t crc = value;
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ POLYNOMIAL : crc >> 1;
    slices[0][value] = crc;
  }
  for (int slice = 1; slice < 8; slice++) {
    for (int value = 0; value < 256; value++) {
      uint32_t before = slices[slice - 1][value];
      slices[slice][value] = slices[0][before & 255] ^ before >> 8;
    }
  }
  has_instruction = detect();
  if (has_instruction) {
    make_zeros(over_long, LANE_LONG);
    make_zeros(over_short, LANE_SHORT);
  }
}

/* The CRC of bytes[start, end), going on from `seed` (0 to begin). */
EXPORT uint32_t walrus_crc32c(const uint8_t *bytes, uint32_t start, uint32_t end, uint32_t seed) {
  const uint8_t *at = bytes + start;
  size_t length = end - start;
#ifdef HARDWARE
  if (has_instruction) return ~crc_hardware(~seed, at, length);
#endif
  return ~crc_software(~seed, at, length);
}

/* The same without the processor's instruction, so that tests can hold the two together. */
EXPORT uint32_t walrus_crc32c_software(const uint8_t *bytes, uint32_t start, uint32_t end, uint32_t seed) {
  return ~crc_software(~seed, bytes + start, end - start);
}
