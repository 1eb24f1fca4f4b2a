#include "drivers/emulator/control_server.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "drivers/emulator/control_socket.hpp"
#include "drivers/emulator/environment.hpp"

namespace phalanx::emulator {

absl::StatusOr<std::unique_ptr<ControlServer>> ControlServer::start(const std::string& run_directory, Handler handler) {
  auto listener = open_control_socket(run_directory, true);
  if (!listener.ok()) {
    return listener.status();
  }
  const int stop = eventfd(0, EFD_CLOEXEC);
  if (stop < 0) {
    close(*listener);
    return absl::ResourceExhaustedError("card control: eventfd");
  }
  return std::unique_ptr<ControlServer>(new ControlServer(run_directory, *listener, stop, std::move(handler)));
}

ControlServer::ControlServer(std::string run_directory, int listener, int stop, Handler handler)
    : run_directory_(std::move(run_directory)), listener_(listener), stop_(stop), handler_(std::move(handler)) {
  thread_ = std::thread([this] { serve(); });
}

ControlServer::~ControlServer() {
  eventfd_write(stop_, 1);
  thread_.join();
  close(listener_);
  close(stop_);
  unlink(absl::StrCat(run_directory_, "/", kControlName).c_str());
}

void ControlServer::serve() {
  std::map<int, std::string> clients;  // descriptor -> what has come of a line
  for (;;) {
    std::vector<pollfd> poll_on = {{stop_, POLLIN, 0}, {listener_, POLLIN, 0}};
    for (const auto& client : clients) {
      poll_on.push_back({client.first, POLLIN, 0});
    }
    if (poll(poll_on.data(), poll_on.size(), -1) < 0) {
      continue;  // a signal
    }
    if (poll_on[0].revents != 0) {
      break;
    }
    for (std::size_t i = 2; i < poll_on.size(); ++i) {
      const int client = poll_on[i].fd;
      if (poll_on[i].revents != 0 && !receive(client, clients[client])) {
        close(client);
        clients.erase(client);
      }
    }
    if (poll_on[1].revents != 0) {
      const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (client >= 0 && clients.size() < kControlClientsMax) {
        clients.emplace(client, "");
      } else if (client >= 0) {
        close(client);
      }
    }
  }
  for (const auto& client : clients) {
    close(client.first);
  }
}

bool ControlServer::receive(int client, std::string& pending) {
  char buffer[kCommandBytesMax];
  const auto got = recv(client, buffer, sizeof buffer, 0);
  if (got <= 0) {
    return false;
  }
  pending.append(buffer, static_cast<std::size_t>(got));
  for (auto end = pending.find('\n'); end != std::string::npos; end = pending.find('\n')) {
    const auto answer = handler_(absl::string_view(pending).substr(0, end)) + "\n";
    pending.erase(0, end + 1);
    // An answer fits the socket's buffer (208 KiB) whole, unless the client does not read: then it is dropped.
    if (send(client, answer.data(), answer.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(answer.size())) {
      return false;
    }
  }
  return pending.size() <= kCommandBytesMax;
}

}  // namespace phalanx::emulator
