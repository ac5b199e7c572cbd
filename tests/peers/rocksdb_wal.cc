/*
 * RocksDB used as a log: every entry is a Put, so that what is measured is its write-ahead log with its
 * group commit. Arguments and answer: tests/peers/README.md.
 */
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/version.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

using Clock = std::chrono::steady_clock;

static double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

static void must(const rocksdb::Status &status) {
  if (status.ok()) return;
  fprintf(stderr, "%s\n", status.ToString().c_str());
  exit(1);
}

struct Worker {
  long done = 0, bytes = 0;
  std::vector<uint32_t> latencies_ns;
};

int main(int count, char **values) {
  std::map<std::string, std::string> options = {
      {"--dir", "."},  {"--sync", "each"}, {"--threads", "1"}, {"--count", "100000"},
      {"--min", "500"}, {"--max", "1024"},  {"--batch", "1"},   {"--seconds", "10"},
  };
  for (int i = 1; i + 1 < count; i += 2) options[values[i]] = values[i + 1];
  const long threads = atol(options["--threads"].c_str());
  const long each = atol(options["--count"].c_str()) / threads;
  const long min = atol(options["--min"].c_str()), max = atol(options["--max"].c_str());
  const long batch = atol(options["--batch"].c_str());
  const double limit = atof(options["--seconds"].c_str());

  rocksdb::Options settings;
  settings.create_if_missing = true;
  settings.compression = rocksdb::kNoCompression;
  settings.enable_pipelined_write = true;
  rocksdb::DB *opened;
  must(rocksdb::DB::Open(settings, options["--dir"] + "/rocksdb", &opened));
  std::unique_ptr<rocksdb::DB> db(opened);

  std::vector<Worker> workers(threads);
  std::vector<std::thread> running;
  const auto start = Clock::now();
  for (long number = 0; number < threads; number++) {
    running.emplace_back([&, number] {
      Worker &worker = workers[number];
      worker.latencies_ns.reserve(each / batch + 1);
      std::minstd_rand random(number + 1);
      const std::string payload(max, 'x');
      rocksdb::WriteOptions write;
      write.sync = options["--sync"] == "each";
      rocksdb::WriteBatch puts;
      char key[32];
      while (worker.done < each && seconds_since(start) < limit) {
        puts.Clear();
        for (long i = 0; i < batch; i++, worker.done++) {
          const int length = snprintf(key, sizeof key, "%04ld/%012ld", number, worker.done);
          const long size = min + random() % (max - min + 1);
          puts.Put(rocksdb::Slice(key, length), rocksdb::Slice(payload.data(), size));
          worker.bytes += size;
        }
        const auto from = Clock::now();
        must(db->Write(write, &puts));
        worker.latencies_ns.push_back(
            std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - from).count());
      }
    });
  }
  for (auto &thread : running) thread.join();
  const double seconds = seconds_since(start);

  long done = 0, bytes = 0;
  std::vector<uint32_t> all;
  for (auto &worker : workers) {
    done += worker.done;
    bytes += worker.bytes;
    all.insert(all.end(), worker.latencies_ns.begin(), worker.latencies_ns.end());
  }
  if (all.empty()) return 1;
  std::sort(all.begin(), all.end());
  printf("{\"peer\":\"rocksdb\",\"version\":\"%d.%d.%d\",\"work\":\"append\",\"entries\":%ld,\"bytes\":%ld,"
         "\"seconds\":%.3f,\"p50Us\":%.1f,\"p99Us\":%.1f,\"p999Us\":%.1f}\n",
         ROCKSDB_MAJOR, ROCKSDB_MINOR, ROCKSDB_PATCH, done, bytes, seconds, all[all.size() / 2] / 1e3,
         all[all.size() * 99 / 100] / 1e3, all[all.size() * 999 / 1000] / 1e3);
  return 0;
}
