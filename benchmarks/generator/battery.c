/* TestU01 on the words of our plans, in the order in which a miner uses them. run.py builds, checks and runs it.

   battery STREAM dump COUNT          the first words, to compare with stpairs_core.rng.words
   battery STREAM SmallCrush|Crush    one line for each statistic: p-value, name

   STREAM is pairs, seeds or steps; with -reversed after it, each word has its bits reversed. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <testu01/bbattery.h>
#include <testu01/swrite.h>
#include <testu01/unif01.h>

/* SEED, ITEM, PURPOSE, BLOCKS, STRIDE and ROUNDS come from run.py. */

enum { WORDS = 4 * BLOCKS };
static uint32_t words[WORDS];
static unsigned used = WORDS;
static uint64_t seed = SEED, item = ITEM, seed_stride, item_stride;
static int reversed;

static void philox(uint32_t block, uint32_t *out) {
  uint32_t a = (uint32_t)item, b = (uint32_t)(item >> 32), c = PURPOSE, d = block;
  uint32_t key_0 = (uint32_t)seed, key_1 = (uint32_t)(seed >> 32);
  for (int round = 0; round < ROUNDS; round++) {
    uint64_t p = UINT64_C(0xD2511F53) * a, q = UINT64_C(0xCD9E8D57) * c;
    a = (uint32_t)(q >> 32) ^ b ^ key_0;
    b = (uint32_t)q;
    c = (uint32_t)(p >> 32) ^ d ^ key_1;
    d = (uint32_t)p;
    key_0 += 0x9E3779B9u;
    key_1 += 0xBB67AE85u;
  }
  out[0] = a, out[1] = b, out[2] = c, out[3] = d;
}

static uint32_t mirrored(uint32_t word) {
  uint32_t out = 0;
  for (int bit = 0; bit < 32; bit++) out |= (word >> bit & 1u) << (31 - bit);
  return out;
}

static unsigned int next_word(void) {
  if (used == WORDS) {
    for (uint32_t block = 0; block < BLOCKS; block++) philox(block, words + 4 * block);
    seed += seed_stride;
    item += item_stride;
    used = 0;
  }
  return reversed ? mirrored(words[used++]) : words[used++];
}

static int choose(const char *stream) {
  size_t length = strcspn(stream, "-");
  reversed = !strcmp(stream + length, "-reversed");
  if (!strncmp(stream, "pairs", length)) item_stride = 1;           /* pair 0, 1, 2, ... of one seed */
  else if (!strncmp(stream, "seeds", length)) seed_stride = 1;      /* the same pair of seed s, s + 1, ... */
  else if (!strncmp(stream, "steps", length)) item_stride = STRIDE; /* row 0 of step 0, 1, 2, ... */
  else return 0;
  return 1;
}

int main(int count, char **arguments) {
  if (count < 3 || !choose(arguments[1])) return 2;
  if (!strcmp(arguments[2], "dump") && count == 4) {
    for (long left = atol(arguments[3]); left > 0; left--) printf("%u\n", next_word());
    return 0;
  }
  swrite_Basic = 0;
  unif01_Gen *generator = unif01_CreateExternGenBits(arguments[1], next_word);
  if (!strcmp(arguments[2], "SmallCrush")) bbattery_SmallCrush(generator);
  else if (!strcmp(arguments[2], "Crush")) bbattery_Crush(generator);
  else return 2;
  for (int i = 0; i < bbattery_NTests; i++) printf("p-value %.17g %s\n", bbattery_pVal[i], bbattery_TestNames[i]);
  return 0;
}
