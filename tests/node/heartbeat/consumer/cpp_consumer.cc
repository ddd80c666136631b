// The C++ face of the public header, in the oldest C++ that a user may have.
#include <procctl/heartbeat.h>

int main() {
  procctl::Heart heart("cpp_consumer", std::chrono::seconds(5));
  heart.Beat();
  heart.Progress(3);
  heart.Note("from C++");
  heart.Close();
  return heart.guarded() ? 1 : 0;
}
