//! An operator's command in its transaction: found by the order, answered once per idempotency key.

use super::{Answer, Centre, Changes, CommandRequest};
use crate::dispatch::{Command, Dispatch, Input};
use crate::store::{SavedAnswer, Store, StoreError};

impl<S: Store> Centre<S> {
    pub(super) fn command(
        &mut self,
        now_ms: i64,
        request: CommandRequest,
        changes: &mut Changes,
    ) -> Result<Answer, StoreError> {
        let CommandRequest { order: id, by, ver, act, idempotency } = request;
        if let Some((key, asked)) = &idempotency
            && let Some(saved) = self.store.saved(&by.name, key)?
        {
            let same = saved.asked == *asked;
            return Ok(if same { Answer::Done { order: Box::new(saved.order) } } else { Answer::KeyReused });
        }
        let Some(order) = self.store.order(&id)? else { return Ok(Answer::NoSuchOrder) };
        let gateway = order.gateway;
        let mut home = self.store.home(&gateway)?.unwrap_or_else(|| Dispatch::new(gateway.clone()));
        let name = by.name.clone();
        let effects = home.handle(now_ms, Input::Command(Command { order: id.clone(), by, ver, act }));
        let changed = !effects.is_empty();
        self.apply(now_ms, &gateway, effects, changes)?;
        self.write_orders(changes)?;
        if let Some(refused) = changes.refused.take() {
            return Ok(Answer::Refused { refused });
        }
        if changed {
            self.keep(&home, changes)?;
        }
        let Some(order) = self.store.order(&id)? else { return Ok(Answer::NoSuchOrder) };
        if let Some((key, asked)) = idempotency {
            self.store.put_saved(&SavedAnswer { by: name, key, asked, at_ms: now_ms, order: order.clone() })?;
        }
        Ok(Answer::Done { order: Box::new(order) })
    }
}
