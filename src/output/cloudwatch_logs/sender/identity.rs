//! Credentials alone, for outputs that sign requests of their own.
//!
//! Found as those of CloudWatch Logs are. Must not know what is signed.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use tokio::sync::Mutex;

use super::client::{ConnectError, Recipe, Settings};

/// Credentials that expire within this time are asked for anew: a request may take a while.
const EXPIRES_SOON: Duration = Duration::from_secs(300);

/// Who signs.
#[derive(Debug)]
pub struct Identity {
    recipe: Recipe,
    /// The last that were found. Whoever asks for others keeps the rest waiting for them.
    known: Mutex<Option<Credentials>>,
}

impl Identity {
    /// Nothing is asked for yet.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], where the settings cannot work.
    pub async fn connect(settings: Settings) -> Result<Self, ConnectError> {
        let recipe = Recipe::new(settings, None).await?;
        Ok(Self { recipe, known: Mutex::default() })
    }

    /// Credentials to sign with now, and whether they were known before.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`], where there are none.
    pub async fn credentials(
        &self,
        now: SystemTime,
    ) -> Result<(Credentials, bool), CredentialsError> {
        let mut known = self.known.lock().await;
        let soon = now.checked_add(EXPIRES_SOON).unwrap_or(now);
        let lasting = |found: &&Credentials| found.expiry().is_none_or(|expiry| expiry > soon);
        if let Some(found) = known.as_ref().filter(lasting) {
            return Ok((found.clone(), true));
        }
        // Made anew each time: a provider for profiles keeps its first failure for ever.
        let provider = self.recipe.credentials_provider().await;
        let provider = provider.ok_or_else(|| CredentialsError::not_loaded("no provider"))?;
        let found = Box::pin(provider.provide_credentials()).await?;
        *known = Some(found.clone());
        Ok((found, false))
    }

    /// Forgets what is known: somebody does not take it.
    pub async fn forget(&self) {
        *self.known.lock().await = None;
    }
}
