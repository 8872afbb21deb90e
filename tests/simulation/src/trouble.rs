//! What begins to go wrong, of the kinds that a seed's plan has: at Graph, in its notifications, in the queues.
//!
//! Knows the switches of Graph and AWS. What dies, comes twice or overlaps is the run's own matter (`run.rs`).

use fastrand::Rng;
use graph_sim::faults::{Fault as GraphFault, NoticeFault, NoticeRule, Rule};
use graph_sim::{DeadToken, Lifecycle, Operation};
use local_stack::aws::{PutFault, SendFault};

use crate::plan::Fault;
use crate::run::Run;

impl Run<'_> {
    /// Something of what the plan has begins to go wrong.
    pub(crate) fn trouble(&mut self, dice: &mut Rng) {
        let faults: Vec<Fault> = self.scene.plan.faults.iter().copied().collect();
        if faults.is_empty() {
            return;
        }
        let fault = faults[dice.usize(0..faults.len())];
        match fault {
            Fault::Throttling => {
                let retry_after = [None, Some(1), Some(5), Some(90), Some(700)][dice.usize(0..5)];
                self.break_graph(GraphFault::Throttled { retry_after }, dice);
            }
            Fault::ServerErrors => {
                let committed = dice.usize(0..2) == 0;
                let fault = server_error(dice.usize(0..5), committed);
                self.break_graph(fault, dice);
            }
            Fault::Lines => {
                let committed = dice.usize(0..2) == 0;
                let fault = match dice.usize(0..4) {
                    0 => GraphFault::Reset { committed },
                    1 => GraphFault::Hang { committed },
                    2 => GraphFault::Slow { millis: 40_000 },
                    _ => GraphFault::Truncated,
                };
                self.break_graph(fault, dice);
            }
            Fault::DeadLinks => {
                let forms = [DeadToken::Gone, DeadToken::ResyncRequired, DeadToken::Invalid];
                let rule = Rule::new(GraphFault::DeadToken {
                    form: forms[dice.usize(0..3)],
                });
                if dice.bool() {
                    let rule = rule.on(Operation::ContactDelta).after(dice.u64(0..4)).times(1);
                    self.scene.stack.world().add_fault(rule);
                } else {
                    for person in &self.scene.people {
                        self.scene.stack.world().forget_sync_states(&person.key, None);
                    }
                }
            }
            Fault::DeadTokens => {
                if dice.bool() {
                    self.scene.stack.world().expire_tokens();
                } else {
                    self.break_graph(GraphFault::TokenRejected, dice);
                }
            }
            Fault::LostNotices => self.notice(NoticeFault::Lost, dice),
            Fault::OddNotices => {
                let odd = [
                    NoticeFault::Doubled,
                    NoticeFault::Reordered,
                    NoticeFault::Late {
                        millis: dice.u64(1..400_000),
                    },
                ];
                self.notice(odd[dice.usize(0..3)], dice);
            }
            Fault::Subscriptions => self.lose_subscriptions(dice),
            Fault::Queues => self.break_queues(dice),
            Fault::Operator
            | Fault::Settling
            | Fault::OddDelta
            | Fault::MissingDeletes
            | Fault::Deaths
            | Fault::Doubled
            | Fault::Overlap
            | Fault::Interleaved
            | Fault::Database
            | Fault::Jumps
            | Fault::ShortLives => return,
        }
        self.count(fault.name());
    }

    fn break_graph(&self, fault: GraphFault, dice: &mut Rng) {
        let rule = Rule::new(fault).after(dice.u64(0..6)).times(dice.u64(1..4));
        let rule = match operation(dice) {
            Some(operation) => rule.on(operation),
            None => rule,
        };
        self.scene.tap.note(&format!("Graph is told {rule:?}"));
        self.scene.stack.world().add_fault(rule);
    }

    fn notice(&self, fault: NoticeFault, dice: &mut Rng) {
        let rule = NoticeRule::new(fault).times(dice.u64(1..6));
        self.scene.stack.world().add_notice_fault(rule);
    }

    fn lose_subscriptions(&self, dice: &mut Rng) {
        let now = self.scene.now();
        let person = &self.scene.people[dice.usize(0..self.scene.people.len())];
        let mut world = self.scene.stack.world();
        match dice.u8(0..4) {
            0 => drop(world.drop_subscriptions(&person.key)),
            1 => drop(world.announce(&person.key, Lifecycle::SubscriptionRemoved, now)),
            2 => drop(world.announce(&person.key, Lifecycle::Missed, now)),
            _ => drop(world.announce(&person.key, Lifecycle::ReauthorizationRequired, now)),
        }
    }

    fn break_queues(&self, dice: &mut Rng) {
        let stack = &self.scene.stack;
        let count = dice.usize(1..3);
        match dice.u8(0..7) {
            0 => stack.work.fail_sends(count, SendFault::Refused),
            1 => stack.work.fail_sends(count, SendFault::AnswerLost),
            2 => stack.work.fail_entries(count),
            3 => stack.lifecycle.fail_sends(count, SendFault::Refused),
            4 => stack.bus.fail_calls(count, PutFault::Refused),
            5 => stack.bus.fail_calls(count, PutFault::AnswerLost),
            _ => stack.bus.fail_entries(count),
        }
    }
}

fn server_error(choice: usize, committed: bool) -> GraphFault {
    match choice {
        0 => GraphFault::GatewayTimeout { committed },
        1 => GraphFault::Unavailable { retry_after: None },
        2 => GraphFault::Unavailable {
            retry_after: Some(20),
        },
        3 => GraphFault::Error {
            status: 502,
            code: String::new(),
            committed,
        },
        _ => GraphFault::Error {
            status: 500,
            code: "ErrorInternalServerError".to_owned(),
            committed,
        },
    }
}

/// What a fault is aimed at; `None`: whatever comes.
fn operation(dice: &mut Rng) -> Option<Operation> {
    let all = [
        Operation::Batch,
        Operation::CreateContact,
        Operation::UpdateContact,
        Operation::DeleteContact,
        Operation::GetContact,
        Operation::ListContacts,
        Operation::ContactDelta,
        Operation::FolderDelta,
        Operation::CreateSubscription,
        Operation::UpdateSubscription,
    ];
    all.get(dice.usize(0..14)).copied()
}
