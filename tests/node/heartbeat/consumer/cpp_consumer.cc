// The C++ face of the public header, in the oldest C++ that a user may have.
#include <procctl/heartbeat.h>

int main() {
  procctl::Options options;
  options.timeout = std::chrono::seconds(5);
  options.progress_timeout = std::chrono::minutes(1);
  options.start_grace = std::chrono::minutes(2);
  procctl::Heart heart("cpp_consumer", options);
  heart.Ready();
  heart.Beat();
  heart.Progress(3);
  heart.Phase("consuming");
  {
    procctl::BusyScope busy(heart, std::chrono::seconds(30));
    heart.Note("from C++");
  }
  if ((heart.Tend() == 1) != heart.guarded()) return 2;
  heart.Close();
  return heart.guarded() ? 1 : 0;
}
