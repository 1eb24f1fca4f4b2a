// Work on cards: streams bitstreams in and progress out. One call a card at a time, which Control sees to.
#ifndef PHALANX_MGMT_SERVICE_CARDS_SERVICE_HPP
#define PHALANX_MGMT_SERVICE_CARDS_SERVICE_HPP

#include <atomic>

#include "mgmt/service/control.hpp"
#include "mgmt/service/peer.hpp"
#include "phalanx/v1/card.grpc.pb.h"

namespace phalanx::mgmt {

class CardsService final : public v1::Cards::Service {
 public:
  using LoadStream = grpc::ServerReaderWriter<v1::CardProgress, v1::LoadBitstreamRequest>;

  CardsService(Control& control, const Admission& admission) : control_(control), admission_(admission) {}

  grpc::Status ListCards(grpc::ServerContext* context, const v1::ListCardsRequest* request,
                         v1::CardList* response) override;
  grpc::Status LoadBitstream(grpc::ServerContext* context, LoadStream* stream) override;
  grpc::Status SelfTest(grpc::ServerContext* context, const v1::CardRequest* request,
                        grpc::ServerWriter<v1::CardProgress>* writer) override;
  grpc::Status GetSensors(grpc::ServerContext* context, const v1::CardRequest* request,
                          v1::SensorList* response) override;
  grpc::Status Reset(grpc::ServerContext* context, const v1::CardRequest* request,
                     grpc::ServerWriter<v1::CardProgress>* writer) override;

  // Work ends soon, uploads at once; no new one begins.
  void stop() { stopping_ = true; }

 private:
  absl::StatusOr<std::unique_ptr<CardWork>> take(const grpc::ServerContext& context, const std::string& card);
  absl::Status load(grpc::ServerContext& context, LoadStream& stream);

  Control& control_;
  const Admission& admission_;
  std::atomic<bool> stopping_ = false;
};

}  // namespace phalanx::mgmt

#endif
