//! What rmcp asks for: who this is, tools, resources, prompts.

use super::{
    job::{Asker, Missing},
    offers,
    progress::Progress,
    prompts::Prompts,
    refusal, resources,
    sessions::Sessions,
    tools::{self, Work},
};
use crate::gateway::{Caller, Gateway};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock,
        GetPromptRequestParams, GetPromptResponse, Implementation, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, MetaObject,
        PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse,
        ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};
use std::{borrow::Cow, sync::Arc};
use thox_api::ErrorKind;

/// What every request works with. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Handler {
    gateway: Gateway,
    sessions: Arc<Sessions>,
    prompts: Arc<Prompts>,
    tools: Arc<[Tool]>,
}

/// The first revision that this door speaks, as its documentation says.
const OLDEST: ProtocolVersion = ProtocolVersion::V_2025_03_26;

const INSTRUCTIONS: &str = "Tools for source code, done by models on the user's own Thox device in the local network: nothing leaves the network. The models are small: give them the function or file that matters and one clear task. A first call may take a while, because the model has to be loaded.";

impl Handler {
    pub(super) fn new(gateway: Gateway, sessions: Arc<Sessions>) -> Self {
        Self {
            gateway,
            sessions,
            prompts: Arc::new(Prompts::default()),
            tools: tools::list().into(),
        }
    }

    /// One call's work; the door has attached who calls to the HTTP request.
    fn work(&self, context: &RequestContext<RoleServer>) -> Result<Work, ErrorData> {
        let mistake = || ErrorData::internal_error("thoxd made a mistake: nobody calls", None);
        let parts = context
            .extensions
            .get::<http::request::Parts>()
            .ok_or_else(mistake)?;
        let caller = parts.extensions.get::<Caller>().ok_or_else(mistake)?;
        let header = |name| {
            parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        Ok(Work {
            asker: Asker {
                gateway: self.gateway.clone(),
                caller: caller.clone(),
                wish: header("x-thox-backend").map(Box::from),
                cancelled: context.ct.clone(),
                absent: header("mcp-session-id")
                    .map(|id| self.sessions.absence(id))
                    .unwrap_or_default(),
            },
            prompts: Arc::clone(&self.prompts),
            progress: Progress::of(context),
            context: None,
        })
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_prompts()
            .build();
        let mut info = Implementation::new("thox", env!("CARGO_PKG_VERSION"));
        info.title = Some("Thox device".to_owned());
        ServerConfig::new(capabilities)
            .with_server_info(info)
            .with_instructions(INSTRUCTIONS)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        let known = ProtocolVersion::KNOWN_VERSIONS.iter();
        known
            .filter(|version| version.as_str() >= OLDEST.as_str())
            .cloned()
            .collect()
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools.to_vec()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tools.iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let mut work = self.work(&context)?;
        let arguments = request.arguments.unwrap_or_default();
        let Some(done) = tools::call(&request.name, arguments, &mut work).await else {
            let names: Vec<&str> = self.tools.iter().map(|tool| &*tool.name).collect();
            let message = format!(
                "there is no tool `{}`. There are {}.",
                request.name,
                names.join(", ")
            );
            return Err(ErrorData::invalid_params(message, None));
        };
        let result = match done {
            Ok(done) => {
                let mut result = CallToolResult::success(vec![ContentBlock::text(done.text)]);
                result.structured_content = Some(done.structured);
                result
            }
            // The stream's end says it too, and comes first or second: it is the same answer.
            Err(Missing::Failed {
                kind: kind @ ErrorKind::KeyRevoked,
                message,
            }) => return Err(refusal::data(kind, message)),
            Err(Missing::Failed { kind, message }) => failed(kind, message),
            // Nobody reads it.
            Err(Missing::Cancelled) => failed(ErrorKind::Cancelled, "cancelled".to_owned()),
        };
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(resources::list()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(
            resources::templates(),
        ))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        resources::read(&request.uri, self.gateway.worlds()).map(Into::into)
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(offers::list()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let given = request.arguments.unwrap_or_default();
        offers::get(&request.name, &given, &self.prompts).map(Into::into)
    }
}

/// A failure as the caller's model reads it; its code beside, for programs.
fn failed(kind: ErrorKind, message: String) -> CallToolResult {
    let mut result = CallToolResult::error(vec![ContentBlock::text(message)]);
    let mut meta = MetaObject::new();
    meta.insert("ai.thox/code".to_owned(), kind.row().code.into());
    result.meta = Some(meta);
    result
}
